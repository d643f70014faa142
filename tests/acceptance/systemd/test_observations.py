"""Built-in observations of units and of the journal, as the service makes them on a machine with systemd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.acceptance.systemd.manifests import HOME

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

UNIT = "ftl2-enterprise.service"
BROKEN = "[Service]\nExecStart=/bin/sh -c 'echo it broke; echo \"<3>badly\"; exit 3'\n"


def manifest(expected: dict[str, tuple[str, dict[str, Any], Any]]) -> str:
    """A step for each observation that is in place only if the result is the expected one."""
    steps = [
        {
            "name": name,
            "check": {"observe": {"module": module, "params": params}, "expect": expect},
            "action": {"module": "command", "params": {"cmd": "false"}},
        }
        for name, (module, params, expect) in expected.items()
    ]
    return json.dumps({"version": 1, "name": "observes", "steps": steps})


def whole_journal(machine: Machine[Nspawn], unit: str) -> list[dict[str, str]]:
    """What root reads about a unit that has failed; empty until that is recorded."""
    lines = machine.run("journalctl", "-o", "json", "-u", unit).splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return entries if any("Failed with result" in entry["MESSAGE"] for entry in entries) else []


def test_units_and_the_journal_are_observed_as_they_are(machine: Machine[Nspawn]) -> None:
    machine.write("/etc/systemd/system/broken.service", BROKEN)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "broken")
    machine.until(lambda: machine.show("ActiveState", "broken") == "failed")
    # As after an edit that systemd has not read.
    machine.write("/etc/systemd/system/edited.service", BROKEN)
    machine.run("systemctl", "start", "edited")
    machine.run("touch", "--date=+1min", "/etc/systemd/system/edited.service")
    units: dict[str, tuple[str, dict[str, Any], Any]] = {
        "runs": ("unit", {"name": "ftl2-enterprise"}, {
            "name": UNIT, "exists": True, "load": "loaded", "state": "active", "sub_state": "running",
            "enabled": "enabled", "result": "success", "main_pid": int(machine.show("MainPID")), "restarts": 0,
            "exit_status": 0, "file": machine.show("FragmentPath"), "needs_reload": False,
        }),
        "failed": ("unit", {"name": "broken.service"}, {
            "exists": True, "state": "failed", "sub_state": "failed", "enabled": "static", "result": "exit-code",
            "main_pid": None, "exit_status": 3, "needs_reload": False,
        }),
        "edited": ("unit", {"name": "edited"}, {"needs_reload": True}),
        "absent": ("unit", {"name": "absent"}, {"exists": False, "state": "inactive", "file": None}),
        "other type": ("unit", {"name": "ftl2-enterprise.socket"}, {"state": "inactive", "enabled": "disabled"}),
        "all that failed": ("units", {"state": "failed", "pattern": "broken*"}, {
            "count": 1, "units.0.name": "broken.service", "units.0.sub_state": "failed",
        }),
    }  # fmt: skip
    done = machine.submit("units", manifest(units), "--wait")
    assert done.status == 0, done
    entries = machine.until(lambda: whole_journal(machine, "broken"))
    journal: dict[str, tuple[str, dict[str, Any], Any]] = {
        "all": ("journal", {"unit": "broken"}, {"count": len(entries)} | {
            f"entries.{n}.{name}": entry[field]
            for n, entry in enumerate(entries)
            for name, field in (("message", "MESSAGE"), ("identifier", "SYSLOG_IDENTIFIER"))
        }),
        "last": ("journal", {"unit": "broken", "lines": 1}, {
            "count": 1, "entries.0.message": entries[-1]["MESSAGE"],
        }),
        "errors": ("journal", {"unit": "broken", "priority": "err", "since": "1h"}, {
            "count": 1, "entries.0.message": "badly", "entries.0.priority": "err", "entries.0.unit": "broken.service",
            "entries.0.identifier": "sh",
        }),
        "none": ("journal", {"unit": "absent"}, {"count": 0}),
    }  # fmt: skip
    # The service's user may not read it, and that is no empty journal.
    machine.submit("journal", manifest(journal))
    machine.until_state("journal", "failed", "resting", "completed")
    refused = machine.run("sqlite3", f"{HOME}/loops.db", "SELECT DISTINCT error FROM observations WHERE error <> ''")
    assert refused.startswith("cannot read the journal: No journal files were opened due to insufficient permissions")
    machine.run("usermod", "-aG", "systemd-journal", "ftl2-enterprise")
    machine.run("systemctl", "restart", "ftl2-enterprise")
    machine.until_well()
    done = machine.submit("whole", manifest(journal), "--wait")
    assert done.status == 0, done
    assert machine.run("sqlite3", f"{HOME}/loops.db", "SELECT count(*) FROM actions") == "0\n"
