"""That the loops of a machine go on after something has happened to the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.acceptance.systemd.manifests import GATE, HOME

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine


def all_go_on(machine: Machine[Any]) -> None:
    """Those of the fixture `running`: the ended one is known, the others do what they were there for."""
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
    # What drifts is seen and mended.
    machine.run("rm", f"{HOME}/rests")
    machine.until(lambda: machine.exists(f"{HOME}/rests"))
