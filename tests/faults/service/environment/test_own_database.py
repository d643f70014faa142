"""Observations of a model and the files of the service itself: they are not read, and not locked."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.service.verbs import FreezeEffects
from tests.support.loops.models import fake_claude
from tests.support.processes.fenced_calls import missing
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.service.daemon import Daemon

pytestmark = pytest.mark.skipif(missing(os.geteuid()) is not None, reason=f"{missing(os.geteuid())}")

CANARY = "canary-of-another-loop"
SEARCHED = "[c]anary-of-another-loop"
"""A pattern that finds it, and does not contain it."""
WRITE_LOCK = 120
"""The byte of the file -shm that SQLite locks to write (sqlite.org/walformat.html)."""
# Observes what the file `observe` contains, and keeps the next request in `request`.
MODEL = """
base = {base!r}
if os.path.exists(base + "/asked"):
    with open(base + "/request", "w") as file:
        file.write(prompt)
    reply(structured_output={{"converged": True, "reasoning": "done"}})
else:
    open(base + "/asked", "w").close()
    with open(base + "/observe") as file:
        asked = json.load(file)
    decision = {{"converged": False, "reasoning": "observe first", "actions": [], "observe": asked}}
    reply(structured_output=decision)
"""
OTHER = f"""
version: 1
name: other
steps:
  - {{name: see, check: {{path: /}}, action: {{module: shell, params: {{cmd: "true # {CANARY}"}}}}}}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    """With the text in its database, which is reached through a link, and in a freeze."""
    (tmp_path / "data").mkdir()
    (tmp_path / "loops.db").symlink_to(tmp_path / "data" / "real.db")
    program = fake_claude(tmp_path, MODEL.format(base=str(tmp_path)))
    more = f'[model]\nprovider = "claude"\ncommand = "{program}"\n[loops]\nobservation_timeout = 900\n'
    with daemon(tmp_path, more=more) as made:
        made.start()
        made.submit("other", OTHER)
        made.until_state("other", LoopState.COMPLETED)
        made.call(FreezeEffects(scope=FreezeScope.TARGET, of="elsewhere", reason=CANARY))
        yield made


def spy(service: Daemon, tmp_path: Path, *observations: dict[str, Any]) -> None:
    """A loop that observes this, and then converges."""
    (tmp_path / "observe").write_text(json.dumps(observations))
    service.submit("spy", "all is known", observers=[])


def files(tmp_path: Path) -> list[Path]:
    """Those of the database; the text is in some of them."""
    real = tmp_path / "data" / "real.db"
    found = [real, real.with_name("real.db-wal"), real.with_name("real.db-shm")]
    assert any(CANARY.encode() in one.read_bytes() for one in found)
    return [*found, tmp_path / "loops.db", tmp_path / "also"]


def test_commands_and_modules_do_not_read_them(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "also").symlink_to(tmp_path / "data" / "real.db-wal")
    (tmp_path / "plain").write_text("read me")
    paths = [*files(tmp_path), tmp_path / "plain"]
    found = {"module": "find", "params": {"paths": f"{tmp_path}/data", "contains": ".*canary.*"}}
    searched = {"cmd": f"grep -rla '{SEARCHED}' {tmp_path}/data/real.db* {tmp_path}/loops.db; echo searched"}
    spy(
        service,
        tmp_path,
        *({"name": one.name, "module": "slurp", "params": {"src": str(one)}} for one in paths),
        {"name": "find", **found},
        {"name": "grep", "module": "shell", "params": searched},
        {"name": "size", "module": "shell", "params": {"cmd": f"cat {tmp_path}/loops.db {tmp_path}/also | wc -c"}},
    )
    service.until_state("spy", LoopState.COMPLETED, LoopState.FAILED)
    reported = [
        json.loads(line) for line in (tmp_path / "request").read_text().splitlines() if line.startswith('{"name"')
    ]
    results = {each["name"]: each for each in reported}
    for name in [*(one.name for one in paths[:-1]), "find"]:
        assert "it leads to secrets or the database of the service" in results.pop(name)["error"], name
    assert b64decode(results.pop("plain")["result"]["content"]) == b"read me"
    # A freeze can be read. It has no secret, and locking it holds nothing up.
    (freeze,) = (tmp_path / "data" / "real.db.freezes").iterdir()
    assert results.pop("grep")["result"]["stdout"] == f"{freeze}\nsearched\n"
    assert results.pop("size")["result"]["stdout"] == "0\n"
    assert results == {}


def test_a_command_does_not_lock_them(service: Daemon, tmp_path: Path) -> None:
    """A lock for reading on the right byte of the file -shm would keep the service from writing."""
    lock = "import fcntl, os, time; file = os.open('{base}/data/real.db-shm', os.O_RDONLY); "
    lock += "fcntl.lockf(file, fcntl.LOCK_SH, 1, {byte}); time.sleep(1000)"
    command = f'{sys.executable} -c "{lock.format(base=tmp_path, byte=WRITE_LOCK)}"'
    spy(service, tmp_path, {"name": "locks", "module": "shell", "params": {"cmd": command}})
    until(lambda: sleeps(f"{tmp_path}/data/real.db-shm"))
    service.submit("later", OTHER)
    assert service.until_state("later", LoopState.COMPLETED).outcome is Outcome.CONVERGED
    assert sleeps(f"{tmp_path}/data/real.db-shm")


def sleeps(argument: str) -> bool:
    """Whether a process with that in its command line lives and waits for nothing but time."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (
                argument.encode() in (folder / "cmdline").read_bytes()
                and "nanosleep" in (folder / "wchan").read_text()
            ):
                return True
    return False
