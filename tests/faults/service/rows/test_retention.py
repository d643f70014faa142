"""The service removes no-op iterations, and reports it; changes are kept, whichever process is killed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ListActions
from ftl2_enterprise.protocol.service.verbs import Reload
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1 / 86_400
FILE = """\
version: 1
name: file
steps:
  - name: file
    copy: {{content: "hello\\n", dest: "{path}"}}
"""


def kept(service: Daemon) -> int:
    return rows(service.run, "SELECT count(*) FROM iterations")[0][0]


def test_noop_iterations_are_removed_and_changes_are_kept(tmp_path: Path) -> None:
    with daemon(tmp_path, more=f"[loops]\nkeep_noop_iterations = {SECOND}\n") as service:
        service.start()
        service.submit("web", FILE.format(path=tmp_path / "web"), mode=Mode.CONTINUOUS, interval=0.05)
        until(lambda: service.loop("web").iteration_count > 60, seconds=60)
        until(lambda: kept(service) < service.loop("web").iteration_count - 25, seconds=60)
        service.kill("control")
        until(service.answers, seconds=30)
        until(lambda: kept(service) < service.loop("web").iteration_count - 60, seconds=60)
        history = service.call(GetHistory(loop="web", limit=1000))
        assert [action.changed for action in service.call(ListActions(loop="web")).actions] == [True]
        assert history.iterations[0].outcome == "acted"
        words = ["--socket", service.socket, "history", "web", "-n", "1000"]
        whole = subprocess.run(
            [sys.executable, "-m", "ftl2_enterprise.entrypoints.ftl2ctl", *words],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert " no-op iterations no longer stored" in whole
        assert "no-op iterations were removed: they ended more than" in service.output.read_text()
        # From a reload on they are kept indefinitely.
        config = service.directory / "config.toml"
        kept_now = (f"keep_noop_iterations = {SECOND}", "keep_noop_iterations = 0")
        config.write_text(config.read_text().replace(*kept_now))
        service.run.config = service.run.config.replace(*kept_now)
        assert service.call(Reload()).changed == ["loops.keep_noop_iterations"]
        before, count = kept(service), service.loop("web").iteration_count
        until(lambda: service.loop("web").iteration_count > count + 40, seconds=60)
        assert kept(service) >= before + 40
        service.until_state("web", LoopState.RESTING, LoopState.RUNNING)
