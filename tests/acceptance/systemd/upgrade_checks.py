"""What tests of upgrades check in a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.store.branches import name_of
from tests.acceptance.systemd.manifests import HOME
from tests.acceptance.systemd.next_version import PRESENT

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

DATABASE = f"{HOME}/loops.db"
KEPT = f"{DATABASE}.{PRESENT}"
"""The database as it was before it was changed."""


def sql(machine: Machine[Nspawn], statement: str, database: str = DATABASE) -> str:
    """As the service's user, so that no file of root's is left next to it."""
    return machine.run("sqlite3", database, statement, user="ftl2-enterprise").strip()


def schema(machine: Machine[Nspawn], database: str = DATABASE) -> str:
    """As messages name it, and the copy that a migration keeps."""
    return name_of(sql(machine, "SELECT version_num FROM alembic_version", database).split())


def version(machine: Machine[Nspawn]) -> tuple[str, str]:
    """Which build is installed, and whether dpkg is content with it."""
    fields = machine.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", "ftl2-enterprise").split()
    return fields[0].rpartition("-")[2], fields[1]


def at_rest(machine: Machine[Nspawn]) -> None:
    """No process writes: the running loop has a long action, and the end of no other process is to be recorded."""
    machine.run("ftl2ctl", "stop", "rests")
    machine.until_state("rests", "cancelled", "paused", "completed")
    machine.until(lambda: {name for name in machine.pids() if ":" in name} == {"loop:gated"})
    machine.until(lambda: digest_of(machine) == digest_of(machine))


def digest_of(machine: Machine[Nspawn]) -> str:
    """Of the bytes of the database."""
    return machine.run("sh", "-c", f"cat {DATABASE} {DATABASE}-wal | sha256sum")
