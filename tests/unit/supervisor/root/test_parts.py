"""What of root can be judged without a process."""

from __future__ import annotations

import json

import pytest

from ftl2_enterprise.supervisor import cgroups
from ftl2_enterprise.supervisor.root import channel, control_link, core_processes
from ftl2_enterprise.supervisor.root.channel import LARGEST
from ftl2_enterprise.supervisor.root.child_table import ChildRecord, ChildTable
from ftl2_enterprise.supervisor.root.event_loop import EventLoop


def line(number: int) -> dict[str, object]:
    return {"key": f"loop:{number}", "pid": number, "at": 1795246239871759, "stopping": False, "old": False}


@pytest.mark.parametrize("count", [0, 1, 600, 5000])
def test_a_long_table_comes_in_parts_that_fit(count: int):
    lines = [line(number) for number in range(count)]
    parts = control_link.split(lines)
    assert [one for part in parts for one in part] == lines
    assert all(len(json.dumps({"type": "hello", "table": part, "more": True})) < LARGEST - 4096 for part in parts)
    assert len(parts) == 1 if count < 400 else all(parts)


def test_the_first_restart_is_at_once_and_later_ones_are_later_up_to_a_cap():
    assert [core_processes.delay(n, 0.1, 5.0) for n in range(1, 9)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        ({}, {}),
        ({"memory": "512M"}, {"memory.max": "536870912", "memory.swap.max": "0", "memory.oom.group": "1"}),
        ({"memory": 1000}, {"memory.max": "1000", "memory.swap.max": "0", "memory.oom.group": "1"}),
        ({"pids": 7}, {"pids.max": "7"}),
        ({"cpu": "50%"}, {"cpu.max": "50000 100000"}),
        ({"cpu": 250}, {"cpu.max": "250000 100000"}),
        ({"cpu": "0.1%"}, {"cpu.max": "1000 100000"}),
        ({"memory": None, "cpu": "", "pids": None}, {}),
    ],
)  # fmt: skip
def test_limits_are_written_to_the_cgroup(limits: dict[str, object], files: dict[str, str]):
    assert cgroups.settings(limits) == files


def test_a_limit_that_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="could not convert"):
        cgroups.settings({"memory": "much"})


def test_slots_are_reused_and_kept_across_an_exec():
    table = ChildTable()
    for number in range(3):
        table.add(ChildRecord(f"loop:{number}", 100 + number, slot=table.take_slot()))
    first = table.get("loop:0")
    assert first is not None
    table.reaped(first)
    table.remove(first)
    restored = ChildTable()
    restored.restore(table.to_state())
    assert {child.key for child in restored} == {"loop:1", "loop:2"}
    assert restored.take_slot() == 0
    assert restored.take_slot() == 3


def test_sending_to_a_closed_channel_returns_false():
    ours, theirs = channel.pair()
    made = channel.Channel("control", ours, EventLoop(), received=lambda message: None, closed=lambda: None)
    assert made.send({"type": "drain"})
    theirs.close()
    assert not made.send({"type": "reload"})
    assert not made.is_full
    made.close()
