"""A process is known by more than its pid, and an owner on another machine by its deadline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.lease import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = "0123456789abcdef0123456789abcdef"
EARLIER_BOOT = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def machine_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file with the machine's id; it does not exist at first."""
    path = tmp_path / "machine-id"
    monkeypatch.setattr(lease, "MACHINE_ID", path)
    lease._machine.cache_clear()
    yield path
    lease._machine.cache_clear()


def me() -> Owner:
    return lease.parse(lease.current())


def test_this_process_is_alive_under_its_own_name():
    name = lease.current()
    assert lease.is_alive(name)
    assert lease.pid_of(name) == os.getpid()


def test_a_later_process_with_the_same_pid_is_not_the_owner():
    assert not lease.is_alive(str(me()._replace(start=str(int(me().start) - 1))))


def test_nothing_from_before_the_boot_is_alive():
    assert not lease.is_alive(str(me()._replace(boot=EARLIER_BOOT)))


def test_an_ended_process_is_not_alive_even_before_it_is_reaped():
    child = subprocess.Popen(
        [sys.executable, "-c", "from ftl2_enterprise.core import lease; print(lease.current(), flush=True)"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not lease.is_alive(name)
    child.communicate()


def test_the_name_of_a_process_does_not_affect_the_check():
    code = """
import sys
from ftl2_enterprise.core import lease
with open("/proc/self/comm", "wb") as file:
    file.write(b") \\xff\\n")
print(lease.current(), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert lease.is_alive(name)
        child.communicate()


# --- the text ------------------------------------------------------------------------------------------------------


def test_an_owner_is_read_as_it_was_written():
    boot = "408e86da-be77-4ffc-9314-6ba2cd1db0be"
    owner = Owner(boot, 3317, "378872", ELSEWHERE)
    assert str(owner) == f"{boot}:3317:378872:{ELSEWHERE}"
    assert lease.parse(str(owner)) == owner


def test_an_owner_of_the_first_version_is_read():
    named = me()
    old = f"{named.boot}:{named.pid}:{named.start}"
    assert lease.parse(old) == named._replace(machine=None)
    assert str(lease.parse(old)) == old
    assert lease.pid_of(old) == named.pid
    assert lease.is_alive(old)
    assert not lease.is_alive(f"{EARLIER_BOOT}:{named.pid}:{named.start}")
    # It was written before there were deadlines, on the only machine that there was.
    assert lease.is_alive(old, deadline=1, now=2)


@pytest.mark.parametrize(
    "text",
    ["", "me", "a:b", "a:b:c", "a:1:b", "a:1:2:", f"a:1:2:{ELSEWHERE}:", "a:1:2:3", "a:-1:2", "a:" + "9" * 9999],
)
def test_a_text_that_names_no_owner_is_dead(text: str) -> None:
    assert not lease.is_alive(text)
    with pytest.raises(ValueError, match="cannot read the owner"):
        lease.parse(text)
    with pytest.raises(ValueError, match="cannot read the owner"):
        lease.pid_of(text)
    assert lease.printable(text) == text


def test_a_pid_beyond_every_number_is_dead() -> None:
    assert not lease.is_alive(f"{me().boot}:{'9' * 5_000}:1")


# --- machines ------------------------------------------------------------------------------------------------------


def test_an_owner_on_another_machine_is_alive_until_its_deadline() -> None:
    there = str(Owner(EARLIER_BOOT, 1, "1", ELSEWHERE))
    assert lease.is_alive(there, deadline=1_000, now=999)
    assert not lease.is_alive(there, deadline=1_000, now=1_000)
    # Its process is not searched for here, where the same pid may run.
    assert not lease.is_alive(str(me()._replace(machine=ELSEWHERE)), deadline=1_000, now=1_000)


def test_an_owner_on_another_machine_without_a_deadline_is_dead() -> None:
    assert not lease.is_alive(str(Owner(EARLIER_BOOT, os.getpid(), me().start, ELSEWHERE)))


def test_a_process_of_this_machine_is_inspected_whatever_its_deadline() -> None:
    assert lease.is_alive(lease.current(), deadline=1, now=2)
    assert not lease.is_alive(str(me()._replace(start="0")), deadline=2, now=1)


def test_output_does_not_name_the_machine() -> None:
    named = me()
    assert lease.printable(str(named)) == f"{named.boot}:{named.pid}:{named.start}"
    assert lease.printable(f"{named.boot}:007:{named.start}") == f"{named.boot}:007:{named.start}"


def test_the_machine_is_a_keyed_hash_of_its_id(machine_id: Path) -> None:
    machine_id.write_text(f"{ELSEWHERE}\n")
    # As `systemd-id128` makes it of that id.
    assert me().machine == "dbd86453197b4405ae69c958e1b7d7b4"


@pytest.mark.skipif(
    not shutil.which("systemd-id128") or not Path(lease.MACHINE_ID).exists(), reason="needs systemd's program"
)
def test_the_machine_is_what_systemd_derives() -> None:
    program = ["systemd-id128", "machine-id", f"--app-specific={lease.APPLICATION.hex()}"]
    derived = subprocess.run(program, capture_output=True, text=True, check=False)
    if derived.returncode != 0:
        pytest.skip(derived.stderr)
    assert me().machine == derived.stdout.strip()


@pytest.mark.parametrize("content", [None, "", "uninitialized\n", "not an id", "\udcff"])
def test_a_machine_without_an_id_is_known_by_its_boot(
    machine_id: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        machine_id.write_text(content, errors="surrogateescape")
    first = lease.current()
    assert lease.is_alive(first)
    lease._machine.cache_clear()
    assert lease.current() == first
    lease._machine.cache_clear()
    monkeypatch.setattr(lease, "_boot_id", lambda: EARLIER_BOOT)
    assert me().machine != lease.parse(first).machine


def test_an_id_that_appears_while_processes_live_does_not_kill_them(machine_id: Path) -> None:
    before = lease.current()
    machine_id.write_text(ELSEWHERE)
    lease._machine.cache_clear()
    assert lease.current() != before
    assert lease.is_alive(before)
