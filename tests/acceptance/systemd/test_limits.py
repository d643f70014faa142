"""Limits for each loop, on a kernel that has the controllers: a loop that exceeds one is ended alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.manifests import HOME, long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.uml import Uml

SETTINGS = """\
[supervisor]
splay = 0
restart_limit = 1
[limits]
memory = "100M"
cpu = "50%"
pids = 64
"""
EATER = "python3 -c 'import os; held = [os.urandom(1 << 20) for _ in range(400)]; open(chr(47)+chr(120))'"


@pytest.fixture
def limited(virtual: Machine[Uml]) -> Iterator[Machine[Uml]]:
    virtual.write("/etc/ftl2-enterprise/conf.d/limits.toml", SETTINGS)
    virtual.run("systemctl", "restart", "ftl2-enterprise")
    virtual.until_well()
    yield virtual
    for loop in virtual.loops():
        virtual.try_("ftl2ctl", "stop", loop)
    virtual.run(
        "rm", "-f", "/etc/ftl2-enterprise/conf.d/limits.toml", f"{HOME}/gate", f"{HOME}/begun", f"{HOME}/done"
    )


def cgroup(machine: Machine[Uml], pid: int) -> str:
    return "/sys/fs/cgroup" + machine.read(f"/proc/{pid}/cgroup").strip().removeprefix("0::")


def test_each_loop_has_a_cgroup_with_its_limits(limited: Machine[Uml]) -> None:
    limited.submit("held", long("held", f"touch {HOME}/begun; sleep 600", until=f"{HOME}/done"))
    limited.until(lambda: limited.exists(f"{HOME}/begun"))
    pids = limited.pids()
    of_loop = cgroup(limited, pids["loop:held"])
    assert "/system.slice/ftl2-enterprise.service/" in of_loop
    assert of_loop != cgroup(limited, pids["root"])
    found = [limited.read(f"{of_loop}/{name}").strip() for name in ("memory.max", "pids.max", "cpu.max")]
    assert found == [str(100 << 20), "64", "50000 100000"]
    # The command that the loop runs is in it too.
    assert len(limited.read(f"{of_loop}/cgroup.procs").split()) >= 2
    limited.run("ftl2ctl", "stop", "held")
    limited.until(lambda: not limited.exists(of_loop))


def test_a_loop_that_exceeds_its_memory_is_killed_alone_and_reports_it(limited: Machine[Uml]) -> None:
    limited.run("rm", "-f", f"{HOME}/begun")
    quiet = f"touch {HOME}/begun; until test -e {HOME}/gate; do sleep 0.2; done; touch {HOME}/done"
    limited.submit("quiet", long("quiet", quiet, until=f"{HOME}/done"), user="alice")
    limited.until(lambda: limited.exists(f"{HOME}/begun"))
    before = limited.pids()
    eater = limited.submit("eater", long("eater", EATER, until="/never"), "--wait", user="alice")
    assert eater.status == 9, eater
    assert "memory" in eater.output
    after = limited.pids()
    assert after.pop("loop:quiet") == before.pop("loop:quiet")
    assert {name: pid for name, pid in after.items() if ":" not in name} == before
    shown = limited.run("ftl2ctl", "show", "eater", user="alice")
    assert "memory" in shown
    crashed = [each for each in limited.ctl("events", "eater")["events"] if each["kind"] == "loop.crashed"]
    assert [each["data"]["why"] for each in crashed] == ["out_of_memory"] * 2
    assert any("memory" in str(line["MESSAGE"]) for line in limited.journal("FTL2_LOOP=eater"))
    assert limited.is_active()
    assert limited.show("NRestarts") == "0"
    limited.run("touch", f"{HOME}/gate")
    limited.until_state("quiet", "completed")


def test_the_limit_of_processes_is_enforced(limited: Machine[Uml]) -> None:
    many = f"for i in $(seq 100); do sleep 300 & done 2>>{HOME}/forks; touch {HOME}/done"
    limited.submit("many", long("many", many, until=f"{HOME}/done"))
    limited.until(lambda: limited.exists(f"{HOME}/forks") and "fork" in limited.read(f"{HOME}/forks"))
    assert limited.is_active()
    assert limited.ctl("health")["ok"] is True
