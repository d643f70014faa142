"""The file `known_hosts` is replaced as a whole, after its record; nothing unsafe is followed."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.ssh.known_hosts_file import LARGEST, KnownHostsFile
from ftl2_enterprise.core.problem import Code, Problem, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def file(home: Path) -> Path:
    """The file, in its directory."""
    (home / ".ssh").mkdir(mode=0o700)
    return home / ".ssh" / "known_hosts"


def add(content: bytes) -> bytes:
    return content + b"new\n"


def nothing() -> None:
    """The record of a change."""


def refused(home: Path, code: Code = Code.CONFLICT) -> str:
    """The message of the refusal to change the file, without a record."""
    recorded: list[bool] = []
    with pytest.raises(Problem, match=r"^cannot change ") as found:
        KnownHostsFile(str(home), wait=0.1).change(add, lambda: recorded.append(True))
    assert not recorded
    assert found.value.code is code
    assert found.value.hint
    return found.value.message


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        KnownHostsFile(str(home)).change(add, nothing)
    finally:
        os.umask(before)
    made = home / ".ssh" / "known_hosts"
    assert made.read_bytes() == b"new\n"
    assert (mode(made), mode(made.parent)) == (0o600, 0o700)


def test_a_changed_file_is_another_one_and_the_directory_is_closed(home: Path, file: Path) -> None:
    file.write_bytes(b"old\n")
    file.chmod(0o644)
    file.parent.chmod(0o777)
    inode = file.stat().st_ino
    with file.open("rb") as reader:
        KnownHostsFile(str(home)).change(add, nothing)
        assert reader.read() == b"old\n"
    assert file.read_bytes() == b"old\nnew\n"
    assert file.stat().st_ino != inode
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert names(file.parent) == {"known_hosts"}


def test_without_a_change_nothing_is_written_or_recorded(home: Path, file: Path) -> None:
    file.write_bytes(b"old\n")
    before = file.stat()
    KnownHostsFile(str(home)).change(lambda content: content, pytest.fail)
    assert file.stat() == before


def test_the_file_has_its_old_content_until_the_change_is_recorded(home: Path, file: Path) -> None:
    file.write_bytes(b"old\n")
    seen: list[bytes] = []
    KnownHostsFile(str(home)).change(add, lambda: seen.append(file.read_bytes()))
    assert seen == [b"old\n"]
    assert file.read_bytes() == b"old\nnew\n"


def test_a_change_that_cannot_be_recorded_is_not_made(home: Path, file: Path) -> None:
    file.write_bytes(b"old\n")

    def fail() -> None:
        raise unavailable("cannot record it")

    with pytest.raises(Problem, match="cannot record it"):
        KnownHostsFile(str(home)).change(add, fail)
    assert file.read_bytes() == b"old\n"
    assert names(file.parent) == {"known_hosts"}


def die(home: Path, record: Callable[[], object]) -> None:
    """Change the file in a process that ends while it records."""

    def end() -> None:
        record()
        os._exit(7)

    pid = os.fork()
    if not pid:
        try:
            KnownHostsFile(str(home)).change(add, end)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_is_killed_while_it_records_leaves_the_old_file(home: Path, file: Path) -> None:
    file.write_bytes(b"old\n")
    die(home, (home / "recorded").touch)
    assert (home / "recorded").exists()
    assert file.read_bytes() == b"old\n"
    left = names(file.parent) - {"known_hosts"}
    assert len(left) == 1
    # The next change succeeds, and removes what was left, and nothing else.
    (file.parent / ".known_hosts.mine").touch()
    KnownHostsFile(str(home)).change(add, nothing)
    assert file.read_bytes() == b"old\nnew\n"
    assert names(file.parent) == {"known_hosts", ".known_hosts.mine"}


def test_a_line_that_ssh_adds_at_the_same_time_is_kept_and_the_change_is_recorded_once(
    home: Path, file: Path
) -> None:
    file.write_bytes(b"old\n")
    records: list[bytes] = []

    def record() -> None:
        records.append(file.read_bytes())
        with file.open("ab") as opened:
            opened.write(b"of ssh\n")

    KnownHostsFile(str(home)).change(add, record)
    assert file.read_bytes() == b"old\nof ssh\nnew\n"
    assert records == [b"old\n"]


def test_a_file_that_always_changes_is_left_alone(home: Path, file: Path) -> None:
    def edit(content: bytes) -> bytes:
        with file.open("ab") as opened:
            opened.write(b"x\n")
        return add(content)

    with pytest.raises(Problem, match="another program keeps changing it"):
        KnownHostsFile(str(home)).change(edit, pytest.fail)
    assert b"new" not in file.read_bytes()


def test_a_change_waits_only_so_long_for_another_one(home: Path, file: Path) -> None:
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        assert "another process has been changing it for 0.1 s" in refused(home)
    finally:
        os.close(directory)
    KnownHostsFile(str(home)).change(add, nothing)


def _link_file(file: Path) -> None:
    (file.parent / "elsewhere").write_text("old\n")
    file.symlink_to("elsewhere")


def _link_directory(file: Path) -> None:
    file.parent.rename(file.parent.parent / "moved")
    file.parent.symlink_to("moved")


def _fill(file: Path) -> None:
    file.write_bytes(b"#" * (LARGEST + 1))


def _hard_link(file: Path) -> None:
    (file.parent.parent / "other").write_text("old\n")
    os.link(file.parent.parent / "other", file)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_link_file, "it is a symbolic link"),
        (_link_directory, "its directory is a symbolic link"),
        (_hard_link, "it has another name, a hard link"),
        (_fill, "it has more than 8 MiB"),
        (lambda file: file.mkdir(), "it is not a file"),
        (os.mkfifo, "it is not a file"),
        (lambda file: (file.parent.rmdir(), file.parent.touch()), "its directory is not a directory"),
    ],
)
def test_what_is_not_a_plain_file_is_refused(
    home: Path, file: Path, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(file)
    assert refused(home).endswith(f": {why}")
    with pytest.raises(Problem, match=r"^cannot read "):
        KnownHostsFile(str(home)).read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create files of others")
def test_what_belongs_to_others_is_refused(home: Path, file: Path) -> None:
    file.touch()
    os.chown(file, 12345, 12345)
    assert "it belongs to another user (uid 12345)" in refused(home)
    os.chown(file.parent, 12345, 12345)
    assert "its directory belongs to another user (uid 12345)" in refused(home)


def test_a_missing_home_is_a_problem(home: Path) -> None:
    assert "no such file or directory" in refused(home / "none", Code.UNAVAILABLE)
    assert KnownHostsFile(str(home / "none")).read() == b""


def test_two_changes_at_the_same_time_are_both_made(home: Path, file: Path) -> None:
    """The second one waits for the first one."""
    recording, finish = threading.Event(), threading.Event()

    def record() -> None:
        recording.set()
        assert finish.wait(10)

    first = threading.Thread(target=KnownHostsFile(str(home)).change, args=(lambda content: content + b"a\n", record))
    second = threading.Thread(
        target=KnownHostsFile(str(home)).change, args=(lambda content: content + b"b\n", nothing)
    )
    first.start()
    assert recording.wait(10)
    second.start()
    finish.set()
    first.join(10)
    second.join(10)
    assert file.read_bytes() == b"a\nb\n"
