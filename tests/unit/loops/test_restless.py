"""What of an observation an approval depends on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.loops.engine.approving import digest_of_observations
from ftl2_enterprise.loops.ports import ObservationResult

if TYPE_CHECKING:
    from ftl2_enterprise.loops.engine.context import LoopContext

ENGINE = cast("LoopContext", SimpleNamespace(redactor=Redactor()))


def digest(module: str, result: dict[str, Any]) -> str:
    seen = ObservationResult(name="one", host="web1", success=True, result=result, module=module)
    return digest_of_observations(ENGINE, [seen])


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("command", {"cmd": "ls", "start": "1", "delta": "2"}, {"cmd": "ls", "start": "3", "delta": "4"}),
        ("command", {"cmd": "uptime", "stdout": "1"}, {"cmd": "uptime", "stdout": "2"}),
        ("system", {"cpus": 2, "load": [1], "memory": {"total": 1, "available": 1}},
         {"cpus": 2, "load": [2], "memory": {"total": 1, "available": 2}}),
        ("stat", {"stat": {"atime": 1, "mtime": 1}}, {"stat": {"atime": 2, "mtime": 1}}),
    ],
)  # fmt: skip
def test_it_does_not_depend_on_what_changes_alone(module: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert digest(module, before) == digest(module, after)


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("command", {"cmd": "ls", "stdout": "1"}, {"cmd": "ls", "stdout": "2"}),
        ("uri", {"cmd": "uptime", "json": {"primary": "a"}}, {"cmd": "uptime", "json": {"primary": "b"}}),
        ("own.module.x", {"start": "leader"}, {"start": "replica"}),
        ("getent", {"load": 1}, {"load": 2}),
        ("system", {"cpus": 2, "memory": {"total": 1}}, {"cpus": 2, "memory": {"total": 2}}),
        ("stat", {"stat": {"atime": 1, "mtime": 1}}, {"stat": {"atime": 1, "mtime": 2}}),
    ],
)
def test_it_depends_on_everything_else(module: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert digest(module, before) != digest(module, after)
