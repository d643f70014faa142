"""What is checked of a submitted loop before it is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.verbs import SubmitLoop
from ftl2_enterprise.wiring.loops import gather
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.service.reading import reader_here

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "version: 1\nname: m\nsteps:\n  - name: s\n    file: {path: /srv, state: directory}\n"


def prepare(tmp_path: Path, **spec: Any) -> Any:
    loaded = MODEL.load(config=None, environ={"HOME": str(tmp_path)}, etc=tmp_path)
    given = {"name": "web", "desired_state": MANIFEST, **spec}
    return gather.prepares(reader_here(loaded.settings))[SubmitLoop](SubmitLoop(spec=LoopSpec(**given), priority=3))


async def test_the_desired_state_is_completed_and_the_rest_stays(tmp_path: Path) -> None:
    request = await prepare(tmp_path)
    assert (request.spec.decider, request.spec.observers, request.priority) == ("manifest", [], 3)


async def test_an_empty_name_is_left_for_the_writer(tmp_path: Path) -> None:
    assert (await prepare(tmp_path, name="")).spec.name == ""


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "-x"}, "cannot name a loop"),
        ({"inventory": "/nowhere/hosts"}, "cannot"),
        ({"policy": "/nowhere/policy.yaml"}, "cannot find the policy"),
        ({"desired_state": MANIFEST.replace("file:", "fiel:")}, "cannot"),
        (
            {"desired_state": "be nice", "decider": "rules", "rules_dir": "/nowhere"},
            "cannot find the rules directory",
        ),
        ({"desired_state": "be nice", "decider": "rules"}, "neither a model nor rules"),
        ({"decider": "oracle"}, "cannot use the decider"),
    ],
)
async def test_a_spec_that_cannot_run_is_refused(tmp_path: Path, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem, match=words):
        await prepare(tmp_path, **spec)


async def test_rules_are_not_run_by_control(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "trap.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\napplies_to = 'everything'\nasync def condition(s): ...\n"
    )
    await prepare(tmp_path, desired_state="be nice", decider="rules", rules_dir=str(tmp_path / "rules"))
    assert not (tmp_path / "ran").exists()
