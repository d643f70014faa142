"""What a submit names is read in its own process: it neither blocks control nor fills its memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, LoopState
from ftl2_enterprise.protocol.loops.policy import PolicyQuestion
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, FindHostKeys, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetVersion

if TYPE_CHECKING:
    from tests.support.service.daemon import Daemon

MANIFEST = "version: 1\nname: nothing\nsteps:\n  - name: there\n    file: {path: /tmp, state: directory}\n"
COPY = "version: 1\nname: nothing\nsteps:\n  - name: there\n    copy: {src: SRC, dest: /tmp/never-written}\n"
BOMBS = {
    "text": "version: 1\nvars: {a: \"{{ 'x' * 4000000000 }}\"}\n",
    "loops": "version: 1\nvars:\n  a: >-\n    {% for i in range(99999) %}{% for j in range(9999) %}x{% endfor %}\n"
    "    {% endfor %}\n",
}
STEPS = "name: nothing\nsteps:\n  - name: there\n    file: {path: /tmp, state: directory}\n"
HIGHEST = 40 << 20
"""Bytes by which control may grow: replies, not files."""
SLOWEST = 1.0
"""Seconds of a ping: many times of what it takes, for a busy machine, and far below what reading took."""


def _unusable(directory: Path) -> dict[str, tuple[str, str]]:
    """Paths that cannot be read, each with the reason in the refusal."""
    pipe, large, folder, locked = (directory / name for name in ("pipe", "large", "folder", "locked"))
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(3 << 30)
    folder.mkdir()
    locked.write_text("x: 1\n")
    locked.chmod(0)
    found = {
        "endless": ("/dev/zero", "not a regular file"),
        "pipe": (str(pipe), "not a regular file"),
        "large": (str(large), "MiB"),
        "folder": (str(folder), "directory"),
    }
    if os.geteuid() != 0:
        found["locked"] = (str(locked), "Permission denied")
    return found


class Pings:
    """Pings over their own connections until the block ends; `slowest` in seconds."""

    def __init__(self, service: Daemon) -> None:
        self.slowest = 0.0
        self.count = 0
        self._service = service
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Pings:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with self._service.connect() as asked:
            while not self._end.wait(0.02):
                began = time.monotonic()
                asked.call(GetVersion())
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.count += 1


def _peak(pid: int) -> int:
    """The most memory that the process has used, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


def _refusal(service: Daemon, request: Any) -> Problem:
    with pytest.raises(Problem) as refused:
        service.call(request)
    problem = refused.value
    assert problem.message.startswith("cannot ")
    assert problem.hint, problem
    assert problem.code is not Code.INTERNAL
    return problem


QUESTION = PolicyQuestion(module="file")


def _requests(kind: str, path: str) -> list[Any]:
    """The requests that name the path in each place where a file can be named."""
    found: list[Any] = [
        SubmitLoop(spec=LoopSpec(name="x", desired_state=MANIFEST, inventory=path)),
        SubmitLoop(spec=LoopSpec(name="x", desired_state=COPY.replace("SRC", path))),
        CheckPolicy(questions=[QUESTION], inventory=path),
        FindHostKeys(host="a", inventory=path),
    ]
    if kind != "folder":
        # A policy may be a directory.
        found += [
            SubmitLoop(spec=LoopSpec(name="x", desired_state=MANIFEST, policy=path)),
            CheckPolicy(questions=[QUESTION], policy=path),
        ]
    return found


def test_files_that_cannot_be_read_are_refused_and_block_no_client(service: Daemon, tmp_path: Path) -> None:
    unusable = _unusable(tmp_path)
    control = service.pids()["control"]
    service.submit("first", MANIFEST)
    service.until_state("first", LoopState.COMPLETED)
    before = _peak(control)
    with Pings(service) as pings:
        for kind, (path, reason) in unusable.items():
            for request in _requests(kind, path):
                problem = _refusal(service, request)
                assert path in problem.message, request
                assert reason in str(problem), request
        for bomb in BOMBS.values():
            spec = LoopSpec(name="x", desired_state=bomb + STEPS)
            assert "the variable 'a'" in _refusal(service, SubmitLoop(spec=spec)).message
    assert service.pids()["control"] == control
    assert _peak(control) - before < HIGHEST
    assert pings.count
    assert pings.slowest < SLOWEST
    assert list(service.lines()) == ["first"]
    service.submit("last", MANIFEST)
    service.until_state("last", LoopState.COMPLETED)


def test_twelve_pipes_and_then_a_good_submit(service: Daemon, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    request = SubmitLoop(spec=LoopSpec(name="x", desired_state=MANIFEST, inventory=str(pipe)))
    for _ in range(12):
        assert "not a regular file" in str(_refusal(service, request))
    began = time.monotonic()
    service.submit("good", MANIFEST)
    assert time.monotonic() - began < SLOWEST * 5
    service.until_state("good", LoopState.COMPLETED)


def test_requests_are_answered_after_the_process_that_forks_readers_was_killed(
    service: Daemon, tmp_path: Path
) -> None:
    control = service.pids()["control"]
    service.submit("before", MANIFEST)
    children = Path(f"/proc/{control}/task/{control}/children").read_text().split()
    (forker,) = [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text() == "readers\n"]
    os.kill(forker, signal.SIGKILL)
    service.submit("after", MANIFEST)
    service.until_state("after", LoopState.COMPLETED)
    assert service.pids()["control"] == control
