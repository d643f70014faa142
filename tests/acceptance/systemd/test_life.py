"""What systemd does with the service, and what loops do in the meantime: crashes, hangs, reloads, stops, boots."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.manifests import BEGUN, GATE, GATED, MESSAGE, QUESTION

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

QUICK = "[supervisor]\nsplay = 0\nheartbeat = 1\nhung_after = 4\ndrain_timeout = 3\n"
"""Limits that a test can wait for."""
WATCHDOG = 6
"""Seconds."""


@pytest.fixture
def quick(machine: Machine[Nspawn]) -> Machine[Nspawn]:
    machine.write("/etc/ftl2-enterprise/conf.d/quick.toml", QUICK)
    machine.run("systemctl", "restart", "ftl2-enterprise")
    return machine


@pytest.fixture
def begun(quick: Machine[Nspawn]) -> Machine[Nspawn]:
    """The loop `gated` is in the middle of a long action."""
    assert quick.submit("gated", GATED).status == 0
    quick.until(lambda: quick.exists(BEGUN))
    return quick


def loop_continues(machine: Machine[Nspawn]) -> None:
    """The gated loop finishes once the gate is open."""
    machine.run("touch", GATE)
    assert machine.until_state("gated", "completed", "failed", "blocked")["state"] == "completed"


def test_the_main_process_is_killed(begun: Machine[Nspawn]) -> None:
    before = begun.show("MainPID")
    # systemd keeps the socket: a client that connects just then waits, and is answered by the next service.
    assert begun.show("NFileDescriptorStore") == "1"
    begun.sh(f"kill -KILL {before}; ftl2ctl status gated")
    assert begun.show("MainPID") not in {"0", before}
    begun.until_well()
    assert begun.show("NRestarts") == "1"
    loop_continues(begun)
    begun.until(begun.is_active)


@pytest.mark.parametrize("name", ["control", "writer", "forkserver"])
def test_a_process_of_the_supervisor_is_killed(begun: Machine[Nspawn], name: str) -> None:
    before = begun.pids()[name]
    begun.run("kill", "-KILL", str(before))
    begun.until(lambda: begun.try_("ftl2ctl", "health").status == 0 and begun.pids()[name] != before)
    assert begun.show("NRestarts") == "0"
    loop_continues(begun)


def test_a_stopped_main_process_is_replaced_by_the_watchdog(begun: Machine[Nspawn]) -> None:
    begun.drop_in("watchdog", f"[Service]\nWatchdogSec={WATCHDOG}\n")
    begun.run("systemctl", "restart", "ftl2-enterprise")
    begun.until_well()
    before = begun.show("MainPID")

    def is_heard() -> bool:
        since = int(begun.show("ExecMainStartTimestampMonotonic"))
        return int(begun.show("WatchdogTimestampMonotonic")) - since > 2.5 * WATCHDOG * 1e6

    # While it is well it is left alone, with whatever limit the administrator has set.
    begun.until(is_heard)
    assert (begun.show("MainPID"), begun.show("NRestarts")) == (before, "0")
    begun.run("kill", "-STOP", before)
    begun.until(lambda: begun.show("NRestarts") == "1")
    begun.until_well()
    assert begun.show("MainPID") != before
    assert any("Watchdog timeout" in str(line["MESSAGE"]) for line in begun.journal())
    loop_continues(begun)


def test_a_stopped_control_is_replaced_by_root(begun: Machine[Nspawn]) -> None:
    before = begun.pids()
    begun.run("kill", "-STOP", str(before["control"]))
    begun.until(lambda: begun.try_("test", "-e", f"/proc/{before['control']}").status == 1)
    begun.until_well()
    after = begun.pids()
    assert after["root"] == before["root"]
    assert after["loop:gated"] == before["loop:gated"]
    loop_continues(begun)


def test_reload_takes_new_settings_and_keeps_the_loops(begun: Machine[Nspawn]) -> None:
    before = begun.pids()
    begun.write("/etc/ftl2-enterprise/conf.d/z.toml", "[loops]\ninterval = 17\n")
    begun.run("systemctl", "reload", "ftl2-enterprise")
    assert begun.pids() == before
    assert begun.ctl("settings", "loops.interval")[0]["value"] == 17.0
    # An invalid setting is reported, and changes nothing.
    begun.write("/etc/ftl2-enterprise/conf.d/z.toml", "[loops]\nintervall = 18\n")
    begun.try_("systemctl", "reload", "ftl2-enterprise")
    begun.until(lambda: "intervall" in begun.show("StatusText"))
    begun.until(lambda: any("intervall" in str(line["MESSAGE"]) for line in begun.journal("-p", "warning")))
    begun.until(begun.is_active)
    assert begun.ctl("settings", "loops.interval")[0]["value"] == 17.0
    begun.run("rm", "/etc/ftl2-enterprise/conf.d/z.toml")
    begun.run("systemctl", "reload", "ftl2-enterprise")
    begun.until(lambda: "intervall" not in begun.show("StatusText"))
    loop_continues(begun)


def test_stop_with_a_long_action_keeps_its_limit(begun: Machine[Nspawn]) -> None:
    begun_at = time.monotonic()
    begun.run("systemctl", "stop", "ftl2-enterprise")
    # drain_timeout is 3 seconds.
    assert time.monotonic() - begun_at < 15
    assert begun.show("Result") == "success"
    assert begun.try_("pgrep", "-u", "ftl2-enterprise").status == 1, "a process of the service is left"
    assert begun.show("NFileDescriptorStore") == "0"
    begun.run("systemctl", "start", "ftl2-enterprise")
    begun.run("rm", BEGUN)
    # What was in flight is not known, so the loop observes and begins the step again.
    begun.until(lambda: begun.exists(BEGUN))
    loop_continues(begun)
    states = [each["state"] for each in begun.ctl("actions", "gated")["actions"]]
    assert sorted(states) == ["succeeded", "unknown"]


def test_loops_get_their_drain_time_despite_a_shorter_limit_of_systemd(quick: Machine[Nspawn]) -> None:
    quick.write("/etc/ftl2-enterprise/conf.d/z.toml", "[supervisor]\ndrain_timeout = 8\n")
    quick.drop_in("stop", "[Service]\nTimeoutStopSec=2\n")
    quick.run("systemctl", "restart", "ftl2-enterprise")
    assert quick.submit("gated", GATED).status == 0
    quick.until(lambda: quick.exists(BEGUN))
    begun_at = time.monotonic()
    quick.run("systemctl", "stop", "ftl2-enterprise")
    assert time.monotonic() - begun_at > 8
    assert quick.show("Result") == "success"


def test_sigquit_ends_the_service_without_a_restart(begun: Machine[Nspawn]) -> None:
    # As docs/how-to/operate.md has it.
    begun.run("systemctl", "kill", "--signal=QUIT", "--kill-whom=main", "ftl2-enterprise")
    begun.until(lambda: begun.show("ActiveState") == "inactive", seconds=15)
    assert (begun.show("Result"), begun.show("NRestarts")) == ("success", "0")
    assert begun.try_("pgrep", "-u", "ftl2-enterprise").status == 1, "a process of the service is left"
    begun.run("systemctl", "start", "ftl2-enterprise")
    loop_continues(begun)


def test_the_socket_starts_the_service(quick: Machine[Nspawn]) -> None:
    quick.run("systemctl", "disable", "--now", "ftl2-enterprise.service")
    quick.run("systemctl", "enable", "--now", "ftl2-enterprise.socket")
    assert not quick.is_active()
    assert quick.submit("message", MESSAGE, "--wait", user="alice").status == 0
    # An answer may be there before READY has come to systemd.
    quick.until(quick.is_active)
    # The socket stays when the service stops, so the next one who asks starts it again.
    quick.run("systemctl", "stop", "ftl2-enterprise.service")
    assert quick.loops()["message"]["state"] == "completed"
    # And it is served without a gap when the main process is killed.
    quick.run("kill", "-KILL", quick.show("MainPID"))
    assert quick.loops()["message"]["state"] == "completed"


def test_loops_are_resumed_after_a_reboot(begun: Machine[Nspawn]) -> None:
    assert begun.submit("greeting", QUESTION).status == 0
    begun.until_state("greeting", "waiting")
    assert begun.reboot() == "running"
    begun.until_well()
    begun.run("ftl2ctl", "answer", "1", "hello")
    begun.until_state("greeting", "completed")
    loop_continues(begun)
    assert [each["state"] for each in begun.ctl("actions", "gated")["actions"]].count("succeeded") == 1


def test_loops_are_resumed_after_a_power_failure(begun: Machine[Nspawn]) -> None:
    begun.engine.cut_power()
    assert begun.boot() == "running"
    begun.until_well()
    loop_continues(begun)
    assert begun.ctl("health")["ok"] is True
