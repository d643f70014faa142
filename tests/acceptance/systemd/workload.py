"""Loops of a machine, and that they continue after an event of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.acceptance.systemd.manifests import BEGUN, GATE, GATED, HOME, MESSAGE, QUESTION

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine


def come_alive(machine: Machine[Any]) -> None:
    """With a loop that has ended, one that waits for a person, one that rests, one at work."""
    machine.add_user("alice", "ftl2")
    machine.write("/etc/ftl2-enterprise/conf.d/quick.toml", "[supervisor]\nsplay = 0\ndrain_timeout = 3\n")
    machine.run("systemctl", "restart", "ftl2-enterprise")
    machine.submit("message", MESSAGE, "--wait", user="alice")
    machine.submit("rests", MESSAGE.replace("message", "rests"), "--mode", "continuous", "--interval", "2")
    machine.submit("greeting", QUESTION, user="alice")
    machine.submit("gated", GATED, user="alice")
    machine.until_state("greeting", "waiting")
    machine.until_state("rests", "resting")
    machine.until(lambda: machine.exists(BEGUN))


def all_continue(machine: Machine[Any]) -> None:
    """The ended one is known, the others complete their work."""
    machine.until_well()
    loops = machine.loops()
    assert set(loops) == {"message", "rests", "greeting", "gated"}
    assert loops["message"]["state"] == "completed"
    (prompt,) = machine.ctl("prompts", user="alice")
    machine.run("ftl2ctl", "answer", str(prompt["prompt"]["id"]), "hello", user="alice")
    machine.until_state("greeting", "completed")
    assert machine.read(f"{HOME}/greeting") == "hello\n"
    machine.run("touch", GATE)
    machine.until_state("gated", "completed")
    # Drift is detected and repaired.
    machine.run("rm", f"{HOME}/rests")
    machine.until(lambda: machine.exists(f"{HOME}/rests"))
