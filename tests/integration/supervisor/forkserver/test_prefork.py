"""Children that are forked in advance, alone and in batches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.supervisor.forkserver import prefork
from tests.support.places import REPOSITORY
from tests.support.processes.killing import spare_of
from tests.support.service import lone_forker
from tests.support.service.root_service import is_alive, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Generator


class ForkerProcess:
    """A `Forker` in its own process, which executes commands."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", lone_forker.__name__, str(directory)], cwd=REPOSITORY, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *words: str | int) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(*words, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def batch(self, announced: int) -> tuple[int, list[int]]:
        """Prepare for that many announced children; returns the intermediate process and its children."""
        self.call("announce", announced)
        self.call("prepare")
        between, *children = spare_of(self.process.pid)
        return between, children

    def order(self, key: str) -> int:
        answer = self.call("order", key)
        assert answer["type"] == "forked", answer
        return answer["pid"]

    def parents(self) -> dict[str, int]:
        """By name of a child that has worked: the parent that it had then."""
        return {path.name: int(path.read_text().split()[1]) for path in self.directory.iterdir() if path.read_text()}


@pytest.fixture
def forker(tmp_path: Path) -> Generator[ForkerProcess]:
    made = ForkerProcess(tmp_path)
    yield made
    assert made.process.stdin is not None
    assert made.process.stdout is not None
    made.process.stdin.close()
    assert made.process.wait(10) == 0
    made.process.stdout.close()


@pytest.mark.parametrize(("announced", "expected"), [(0, 1), (1, 1), (2, 1), (4, 3), (1000, prefork.LARGEST_BATCH)])
def test_as_many_children_are_forked_in_advance_as_root_will_request(
    forker: ForkerProcess, announced: int, expected: int
) -> None:
    _, children = forker.batch(announced)
    assert len(children) == expected


def test_the_children_of_a_batch_work_when_the_last_one_has_its_order(forker: ForkerProcess) -> None:
    between, children = forker.batch(4)
    assert [forker.order(f"noted:{number}") for number in range(2)] == children[:2]
    assert forker.call("patience") is not None
    assert forker.parents() == {}
    assert forker.order("noted:2") == children[2]
    until(lambda: forker.parents() == dict.fromkeys("012", forker.process.pid))
    assert forker.call("patience") is None
    until(lambda: not is_alive(between))


def test_the_rest_of_a_batch_ends_when_it_is_released(forker: ForkerProcess) -> None:
    between, children = forker.batch(6)
    assert forker.order("noted:0") == children[0]
    forker.call("release")
    until(lambda: forker.parents() == {"0": forker.process.pid})
    until(lambda: not any(is_alive(pid) for pid in (between, *children)))
    assert forker.batch(0)[0] != between


def test_an_order_for_a_killed_child_goes_to_the_next_one(forker: ForkerProcess) -> None:
    _, children = forker.batch(4)
    os.kill(children[0], signal.SIGKILL)
    until(lambda: not is_alive(children[0]))
    assert forker.order("noted:0") == children[1]


def test_an_order_gets_a_new_child_when_the_whole_batch_was_killed(forker: ForkerProcess) -> None:
    between, children = forker.batch(4)
    for pid in (*children, between):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in children))
    assert forker.order("noted:0") not in children
    until(lambda: forker.parents() == {"0": forker.process.pid})


def test_root_becomes_the_parent_of_every_child_whatever_is_withdrawn_in_between(tmp_path: Path) -> None:
    """Requests that end early leave a part of a batch, for which the children with an order must not wait."""
    with service(tmp_path) as root:
        root.up()
        kept: dict[str, int] = {}
        for turn in range(12):
            names = [f"loop:{turn * 100 + number}" for number in range(10)]
            for name in names:
                root.send("start", key=name, argument="")
            kept[names[0]] = root.reported("started", names[0])["pid"]
            for name in names[1:]:
                root.send("stop", key=name, urgency="kill", within=0)
            for name in names[1:]:
                root.reported("ended", name)
        until(lambda: {_parent(pid) for pid in kept.values()} == {root.pid})
        rest = ["control", "python", "python", "spare", "spare", "writer"]
        until(lambda: sorted(root.living().values()) == sorted([*kept, *rest]))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
