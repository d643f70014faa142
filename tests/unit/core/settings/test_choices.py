"""A setting with a wrong word is refused with the allowed ones, and with the one that was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from pathlib import Path


def refused(tmp_path: Path, text: str, **variables: str) -> Problem:
    config = tmp_path / "config.toml"
    config.write_text(text)
    with pytest.raises(Problem) as caught:
        MODEL.load(config=config, environ={"HOME": str(tmp_path), **variables})
    assert caught.value.code is Code.INVALID
    return caught.value


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        (
            '[policy.defaults]\nmodel = "alow"\n',
            "cannot use 'alow' for policy.defaults.model from {}: it is none of allow, ask, deny",
            "did you mean allow?",
        ),
        (
            '[policy.defaults]\nmodle = "ask"\n',
            "cannot use 'modle' for policy.defaults from {}: it is none of manifest, playbook, rule, model, person",
            "did you mean model?",
        ),
        (
            '[model]\nprovider = "gpt"\n',
            "cannot use 'gpt' for model.provider from {}: it is none of \"\", claude",
            None,
        ),
        (
            '[observations]\nunfenced_commands = "Allow"\n',
            "cannot use 'Allow' for observations.unfenced_commands from {}: it is none of deny, ask, allow",
            "did you mean allow?",
        ),
    ],
)
def test_the_allowed_words_are_listed(tmp_path: Path, text: str, what: str, hint: str | None) -> None:
    problem = refused(tmp_path, text)
    assert (problem.message, problem.hint) == (what.format(tmp_path / "config.toml"), hint)


def test_they_are_also_listed_for_a_variable(tmp_path: Path) -> None:
    problem = refused(tmp_path, "", FTL2_ENTERPRISE_POLICY_DEFAULTS="model=alow")
    assert problem.message == (
        "cannot use 'alow' for policy.defaults.model from FTL2_ENTERPRISE_POLICY_DEFAULTS: "
        "it is none of allow, ask, deny"
    )


def test_another_mistake_is_reported_as_before(tmp_path: Path) -> None:
    assert "expected `object`" in refused(tmp_path, "[policy]\ndefaults = 3\n").message
    assert "expected `str`" in refused(tmp_path, "[policy]\ndefaults = {model = 3}\n").message
