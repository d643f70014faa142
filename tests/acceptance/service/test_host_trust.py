"""A host that is unknown to the service is trusted with `ftl2ctl hosts trust`, and its loop converges."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
import yaml

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Outcome
from ftl2_enterprise.protocol.service.verbs import ListEvents
from tests.support.processes import gates, sshd
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.terminal.ctl_process import ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.core.event import Event

pytestmark = [pytest.mark.ssh, pytest.mark.timeout(240)]
MANIFEST = """
version: 1
name: remote
steps:
  - name: greeting
    host: web1
    copy: {{dest: "{base}/greeting", content: "hello\\n", mode: "0640"}}
"""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    yield from sshd.running_or_skipped(tmp_path_factory)


@pytest.fixture
def service(tmp_path: Path, server: sshd.Sshd) -> Iterator[Daemon]:
    """With an inventory whose host is not yet trusted."""
    (tmp_path / "cache").mkdir(mode=0o700)
    gates.build(tmp_path / "cache")
    hosts = {"web1": server.host_vars(disable_host_key_checking=False)}
    (tmp_path / "hosts.yaml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    with daemon(tmp_path) as made:
        made.start()
        yield made
        assert made.stop() == 0


def refused(service: Daemon) -> str | None:
    """Why a pass of the loop failed, as soon as one did."""
    found = rows(service.run, "SELECT error FROM observations WHERE error LIKE '%host key%' LIMIT 1")
    return found[0][0] if found else None


def trusted(service: Daemon) -> list[Event]:
    return [event for event in service.call(ListEvents(limit=1000)).events if event.kind == "host.trusted"]


def test_a_loop_that_failed_on_an_unknown_key_converges_after_trust(
    service: Daemon, server: sshd.Sshd, tmp_path: Path
) -> None:
    inventory = str(tmp_path / "hosts.yaml")
    service.submit(
        "remote", MANIFEST.format(base=tmp_path), inventory=inventory, mode=Mode.CONTINUOUS, interval=0.2,
        max_iterations=1,
    )  # fmt: skip
    why = until(lambda: refused(service))
    command = f"ftl2ctl hosts trust 127.0.0.1 --port {server.port}"
    assert f"~/.ssh/known_hosts of {server.user}; `{command}` shows and records it" in why
    words = ("hosts", "trust", "web1", "-i", inventory, "--fingerprint", server.fingerprint())
    socket = service.directory / "control.sock"
    done = ctl(socket, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"[127.0.0.1]:{server.port}: ssh-ed25519 {server.fingerprint()} recorded" in done.stdout
    until(lambda: service.loop("remote").outcome is Outcome.CONVERGED or (tmp_path / "greeting").exists())
    assert (tmp_path / "greeting").read_text() == "hello\n"
    assert service.loop("remote").state in {LoopState.RESTING, LoopState.RUNNING, LoopState.PENDING}
    (event,) = trusted(service)
    assert event.data == {
        "host": "127.0.0.1", "port": server.port, "key_type": "ssh-ed25519",
        "fingerprint": server.fingerprint(), "replaced": [],
    }  # fmt: skip
    assert f"(uid {os.getuid()}, pid " in (event.actor or "")
    file = tmp_path / ".ssh" / "known_hosts"
    key = " ".join((server.folder / "host_ed25519.pub").read_text().split()[:2])
    assert file.read_text() == f"[127.0.0.1]:{server.port} {key}\n"
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    # The same key again.
    before = file.stat()
    again = ctl(socket, *words)
    assert again.returncode == 0
    assert "is recorded already" in again.stdout
    assert "nothing was changed" in again.stdout
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert len(trusted(service)) == 1
    # Shown by name of the event, for people.
    shown = ctl(socket, "events")
    assert "host.trusted" in shown.stdout
    assert server.fingerprint() in shown.stdout
