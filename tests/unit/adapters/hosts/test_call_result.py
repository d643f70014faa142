"""The reply of a host that has, or has not, built the sandbox, as the caller sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.hosts import call_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.loops.ports import ModuleResult

ENDED = {"rc": 0, "dropped": [0, 0], "timed_out": False, "cancelled": False}
REASON = "the host cannot build the sandbox: creating namespaces: Operation not permitted"


def of_command(head: Mapping[str, Any]) -> ModuleResult:
    return call_result.of_command(head, b"{}", b"", "echo", timeout=1, chdir=None)


def of_module(head: Mapping[str, Any]) -> ModuleResult:
    return call_result.of_module(head, b'{"changed": false}', b"", timeout=1)


@pytest.mark.parametrize("result_of", [of_command, of_module])
def test_a_call_without_a_sandbox_was_not_made(result_of: Any) -> None:
    result = result_of({"not_fenced": REASON})
    assert (result.success, result.changed, result.fenced, result.cannot_fence) == (False, False, False, REASON)
    assert result.error == f"cannot run it fenced: {REASON}"


@pytest.mark.parametrize("result_of", [of_command, of_module])
@pytest.mark.parametrize("more", [{}, {"timed_out": True, "rc": None}, {"rc": 3}])
def test_a_fenced_call_is_reported_as_fenced(result_of: Any, more: dict[str, Any]) -> None:
    result = call_result.cleaned(result_of({**ENDED, **more, "fenced": True}), lambda text: text)
    assert (result.fenced, result.changed, result.cannot_fence) == (True, False, None)
    assert not call_result.cleaned(result_of({**ENDED, **more}), lambda text: text).fenced


@pytest.mark.parametrize("result_of", [of_command, of_module])
def test_a_program_that_is_not_started_in_the_sandbox_is_reported_as_fenced(result_of: Any) -> None:
    result = result_of({"not_started": "/no: No such file or directory", "fenced": True})
    assert (result.success, result.fenced, result.cannot_fence) == (False, True, None)
