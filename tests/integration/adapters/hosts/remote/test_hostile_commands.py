"""No command changes its host from the sandbox, and what is tried there does change it without the sandbox."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import fence_target, hostile_commands as hostile
from tests.support.processes.disk import mounted
from tests.support.processes.fence_target import FenceTarget
from tests.support.processes.survivors import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.processes.fenced_calls import HostProcess

HARMFUL = [text for texts in hostile.HARMFUL.values() for text in texts]
EVERYTHING = [*HARMFUL, *hostile.KERNEL, *hostile.SYSTEM, *hostile.CALLS]
TOGETHER = 25
"""Commands after which the target is compared."""
BATCHES = list(itertools.batched(EVERYTHING, TOGETHER, strict=False))
NOT_INSTALLED = 127
NOT_USABLE = ("Can't locate", "No user exists")


@pytest.fixture(scope="module")
def target(user: int) -> Iterator[FenceTarget]:
    with FenceTarget(user) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def machine(user: int) -> Iterator[None]:
    """The machine is the same after all tests of this file as before them."""
    before, clock = fence_target.state_of_machine(), fence_target.clock()
    yield
    # What other tests do to the machine at the same time, they undo.
    until(lambda: differences(before, fence_target.state_of_machine()) == {}, 30)
    assert differences(before, fence_target.state_of_machine()) == {}
    assert abs(fence_target.clock() - clock) < 60


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted(before.keys() | after.keys())
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def test_a_file_system_that_another_test_mounts_is_no_change(tmp_path: Path) -> None:
    before = fence_target.state_of_machine()["mounts"]
    with mounted(tmp_path):
        assert fence_target.state_of_machine()["mounts"] == before


def test_the_table_is_long() -> None:
    assert len(set(EVERYTHING)) >= 400


def changes(host: HostProcess, target: FenceTarget, texts: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """What these commands change, one after the other in the sandbox."""
    before = target.state()
    for text in texts:
        head, _, _ = host.shell(text, environment=target.environment(), timeout=20)
        assert head["fenced"], text
    target.settle()
    return differences(before, target.state())


@pytest.mark.parametrize("texts", BATCHES, ids=lambda texts: texts[0])
def test_commands_in_the_sandbox_change_nothing(host: HostProcess, target: FenceTarget, texts: Sequence[str]) -> None:
    # To compare takes longer than a command. Each is tried alone only to find out which one it was.
    if changes(host, target, texts) != {}:
        assert {text: found for text in texts if (found := changes(host, target, [text]))} == {}
        pytest.fail(f"one of these changes something, but not when it is repeated: {texts}")


@pytest.mark.parametrize("text", HARMFUL)
def test_the_same_command_changes_something_without_it(host: HostProcess, target: FenceTarget, text: str) -> None:
    before = target.state()
    try:
        head, _, err = host.shell(text, fence=None, environment=target.environment(), timeout=20)
        if head["rc"] == NOT_INSTALLED or any(sign in err for sign in NOT_USABLE):
            pytest.skip(f"the program is not installed, or needs an account: {err.strip()}")
        assert until(lambda: target.state() != before, 5), err
    finally:
        target.repair()


@pytest.mark.parametrize("text", hostile.HUNGRY)
def test_a_command_that_takes_all_it_gets_is_limited(host: HostProcess, target: FenceTarget, text: str) -> None:
    before = target.state()
    head, _, _ = host.shell(text, environment=target.environment(), timeout=10)
    assert head["fenced"]
    assert differences(before, target.state()) == {}
    assert host.shell("echo alive")[1] == "alive\n"
