"""Every unit of work can be handed to another process: what it takes and gives comes out there as it went in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import ftl2_enterprise
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops import process  # noqa: F401 - their units  # pyright: ignore[reportUnusedImport]
from ftl2_enterprise.loops.handlers import table as handlers  # noqa: F401 - their units  # pyright: ignore[reportUnusedImport]
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.units.actions import DoneAction
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import UNITS, unit, unit_named
from tests.support.data.strategies import made_of, same

PACKAGE = Path(ftl2_enterprise.__path__[0])
EVERY_CHECK = cast("list[HealthCheck]", list(HealthCheck))
NAMES = sorted(name for name, one in UNITS.items() if one.function.__module__.startswith("ftl2_enterprise."))


def test_the_writer_process_imports_every_unit() -> None:
    declared = {
        ".".join((*file.relative_to(PACKAGE).with_suffix("").parts, name))
        for file in PACKAGE.rglob("*.py")
        for name in re.findall(r"^@unit\n(?:@.*\n)*def (\w+)", file.read_text(), re.MULTILINE)
    }
    program = (
        "from ftl2_enterprise.wiring import processes; processes.kinds();"
        "from ftl2_enterprise.store.unit import UNITS; print(*UNITS)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert set(ran.stdout.split()) == declared
    assert {
        "loops.units.runs.end_run",
        "loops.units.claim.fence",
        "loops.units.actions.end_action",
        "loops.rows.prompts.answer_prompt",
    } <= declared


@pytest.mark.parametrize("name", NAMES)
def test_arguments_of_a_unit_are_decoded_unchanged(name: str) -> None:
    one = UNITS[name]
    takes = {key: made_of(kind) for key, kind in one.hints.items() if key not in {"return", "tx"}}

    @settings(max_examples=25, suppress_health_check=EVERY_CHECK)
    @given(arguments=st.fixed_dictionaries(takes))
    def holds(arguments: dict[str, Any]) -> None:
        arrived = one.decode(one.encode((), arguments))
        assert arrived.keys() == arguments.keys()
        for key, value in arguments.items():
            assert same(arrived[key], value), key

    holds()


@pytest.mark.parametrize("name", NAMES)
def test_the_result_of_a_unit_is_decoded_unchanged(name: str) -> None:
    one = UNITS[name]

    @settings(max_examples=25, suppress_health_check=EVERY_CHECK)
    @given(result=made_of(one.hints["return"]))
    def holds(result: Any) -> None:
        assert same(one.decode_result(one.encode_result(result)), result)

    holds()


@unit
def shown(tx: Tx, text: str, number: int = 3, *, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Takes one of everything."""
    return {"text": text, "number": number, "more": more}


@unit
def kept(tx: Tx, done: DoneAction) -> DoneAction:
    """Takes a struct."""
    return done


def test_arguments_may_be_positional_named_or_omitted() -> None:
    assert shown.decode(shown.encode(("a",), {})) == {"text": "a"}
    assert shown.decode(shown.encode(("a", 4), {"more": {"b": 1}})) == {"text": "a", "number": 4, "more": {"b": 1}}


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), (("a",), {"text": "b"}), (("a",), {"wrong": 1}), (("a", 1, {}, 2), {})]
)
def test_unknown_arguments_are_a_type_error(args: tuple[Any, ...], kwargs: Any) -> None:
    with pytest.raises(TypeError, match=r"test_unit\.shown takes text, number, more"):
        shown.encode(args, kwargs)


def test_values_that_cannot_be_encoded_are_converted_as_for_storage() -> None:
    arrived = shown.decode(shown.encode(("\ud800",), {"more": {"big": 2**70, "bytes": b"\xff", "set": {1}}}))
    assert arrived == {"text": "?", "more": {"big": str(2**70), "bytes": "\ufffd", "set": [1]}}
    done = DoneAction(id=1, event=ActionEvent.SUCCEEDED, stdout="\udcff")
    assert kept.decode(kept.encode((done,), {}))["done"] == msgspec.structs.replace(done, stdout="?")


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(Problem, match=r'cannot execute "units\.gone"') as caught:
        unit_named("units.gone")
    assert caught.value.code is Code.INVALID


def test_a_second_unit_of_the_same_name_is_a_defect() -> None:
    with pytest.raises(ValueError, match=r"two units named tests\.unit\.store\.test_unit"):
        unit(shown.function)


def test_a_unit_is_called_like_its_function() -> None:
    tx: Any = None
    assert shown(tx, "a", more={}) == {"text": "a", "number": 3, "more": {}}
    assert shown.call("a", 5).execute(tx) == {"text": "a", "number": 5, "more": None}
