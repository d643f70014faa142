"""Secret bindings: read early, injected late, printed never."""

from __future__ import annotations

import copy
import pickle

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.loops.secrets import Secret, parse_bindings

ENVIRON = {"DEPLOY": "hunter2000", "OTHER": "swordfish", "EMPTY": ""}


def test_a_bound_parameter_is_added() -> None:
    bindings = parse_bindings(["uri.url_password=DEPLOY"], ENVIRON)
    given = {"url": "u"}
    assert bindings.inject("uri", given) == {"url": "u", "url_password": "hunter2000"}
    assert bindings.inject("ansible.builtin.uri", given)["url_password"] == "hunter2000"
    assert bindings.inject("get_url", given) == {"url": "u"}
    assert given == {"url": "u"}
    assert bindings.values() == ["hunter2000"]


@pytest.mark.parametrize(
    ("binding", "module", "bound"),
    [
        ("ansible.builtin.uri.p=DEPLOY", "uri", True),
        ("ansible.builtin.uri.p=DEPLOY", "ansible.legacy.uri", True),
        ("*.p=DEPLOY", "community.general.slack", True),
        ("community.general.*.p=DEPLOY", "community.general.slack", True),
        ("community.general.slack.p=DEPLOY", "slack", False),
        ("slack.p=DEPLOY", "community.general.slack", False),
        ("URI.p=DEPLOY", "uri", False),
    ],
)
def test_which_modules_a_binding_is_for(binding: str, module: str, bound: bool) -> None:
    assert ("p" in parse_bindings([binding], ENVIRON).inject(module, {})) is bound


def test_an_explicit_parameter_wins_but_a_mask_is_not_one() -> None:
    bindings = parse_bindings(["uri.p=DEPLOY"], ENVIRON)
    assert bindings.inject("uri", {"p": "mine"}) == {"p": "mine"}
    assert bindings.inject("uri", {"p": None}) == {"p": None}
    assert bindings.inject("uri", {"p": MASK}) == {"p": "hunter2000"}


def test_the_first_binding_wins() -> None:
    bindings = parse_bindings(["uri.p=DEPLOY", "*.p=OTHER"], ENVIRON)
    assert bindings.inject("uri", {}) == {"p": "hunter2000"}
    assert bindings.inject("copy", {}) == {"p": "swordfish"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("uri.p=NOT_THERE", "the environment variable NOT_THERE is not set"),
        ("uri.p=EMPTY", "the environment variable EMPTY is empty"),
        ("uri.p", "cannot read the secret binding"),
        ("uri=DEPLOY", "cannot read the secret binding uri=..."),
        (".p=DEPLOY", "cannot read the secret binding .p=..."),
        ("uri.=DEPLOY", "cannot read the secret binding uri.=..."),
        ("=", "cannot read the secret binding"),
        ("", "cannot read the secret binding"),
    ],
)
def test_a_wrong_binding_is_refused_before_anything_runs(text: str, part: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_bindings([text], ENVIRON)
    assert part in str(caught.value)
    assert str(caught.value).startswith("cannot ")
    assert caught.value.hint


def test_a_value_given_in_place_of_a_variable_is_not_repeated() -> None:
    with pytest.raises(Problem) as caught:
        parse_bindings(["uri.p=s3cr3t-value!"], ENVIRON)
    assert "s3cr3t" not in str(caught.value)


def test_two_bindings_of_one_parameter_contradict() -> None:
    with pytest.raises(Problem, match="twice"):
        parse_bindings(["uri.p=DEPLOY", "uri.p=OTHER"], ENVIRON)
    assert len(parse_bindings(["uri.p=DEPLOY", "uri.p=DEPLOY"], ENVIRON).all) == 1


def test_a_secret_never_prints() -> None:
    bindings = parse_bindings(["uri.p=DEPLOY"], ENVIRON)
    secret = Secret("hunter2000")
    shown = f"{secret} {secret!r} {secret!s} {secret:>9} {[secret]} {bindings} {bindings!r} {bindings.all[0]}"
    assert "hunter2000" not in shown
    for take_away in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            take_away(secret)
