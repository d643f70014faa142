"""Settings that need a restart do not take effect before, whichever process is restarted in the meantime."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.service.verbs import GetHealth, GetSettings, Reload
from tests.support.processes.command import MODULE, Command
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = """\
version: 1
name: file
steps:
  - name: file
    copy: {{content: "hello\\n", dest: "{path}"}}
"""


class Configured(Command):
    """Everything that it receives is in the file."""

    def argv(self, *arguments: str) -> list[str]:
        path = self.directory / "config.toml"
        path.write_text(f'[store]\npath = "{self.database}"\n{self.config}')
        return [sys.executable, "-P", "-m", MODULE, "--config", str(path), *arguments]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    """A service whose file names another database, and other places, than those it was started with."""
    with daemon(tmp_path) as made:
        made.run = Configured(tmp_path, config=made.run.config, env=made.run.env)
        made.start()
        made.submit("first", FILE.format(path=tmp_path / "first"))
        made.until_state("first", LoopState.COMPLETED)
        path = tmp_path / "config.toml"
        text = path.read_text()
        for old, new in (("loops.db", "other.db"), ("/log", "/other-log"), ("control.sock", "other.sock")):
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        yield made


def is_another(service: Daemon, control: int) -> bool:
    with contextlib.suppress(Problem):
        return service.pids().get("control", control) != control
    return False


def is_as_it_was(service: Daemon) -> bool:
    with service.connect() as client:
        values = {one.key: one for one in client.call(GetSettings())}
    store = values["store.path"]
    assert store.value == str(service.directory / "loops.db")
    assert store.after_restart == str(service.directory / "other.db")
    assert values["loops.interval"].after_restart is None
    service.submit("second", FILE.format(path=service.directory / "second"))
    service.until_state("second", LoopState.COMPLETED)
    service.until_state("first", LoopState.COMPLETED)
    return not list(service.directory.glob("other*"))


def test_a_reload_names_settings_that_need_a_restart_and_does_not_apply_them(service: Daemon) -> None:
    with service.connect() as client:
        for _ in range(2):
            done = client.call(Reload())
            assert done.changed == done.need_restart == ["log.directory", "store.path", "supervisor.socket"]
    assert is_as_it_was(service)


def test_a_restarted_control_does_not_apply_settings_that_need_a_restart(service: Daemon) -> None:
    control = service.kill("control")
    until(lambda: is_another(service, control))
    assert is_as_it_was(service)


def test_an_upgrade_in_place_does_not_apply_settings_that_need_a_restart(service: Daemon) -> None:
    control = service.pids()["control"]
    subprocess.run(
        [sys.executable, "-P", "-m", "ftl2_enterprise.entrypoints.ftl2ctl", "--socket", service.socket, "upgrade"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: is_another(service, control))
    assert is_as_it_was(service)


def test_a_new_control_also_reports_that_the_settings_cannot_be_read(service: Daemon) -> None:
    path = service.directory / "config.toml"
    before = path.read_text()
    path.write_text(before.replace("splay", "splat"))
    with pytest.raises(Problem, match="splat"):
        service.call(Reload())
    control = service.kill("control")
    until(lambda: is_another(service, control))
    health = service.call(GetHealth())
    assert not health.ok
    assert [problem for problem in health.problems if "splat" in problem]
    until(lambda: "splat" in service.call(GetHealth()).status)
    path.write_text(before)
    service.call(Reload())
    assert service.call(GetHealth()).ok
