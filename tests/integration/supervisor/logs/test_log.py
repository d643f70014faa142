"""What a process logs and prints, seen from outside: the journal's socket, standard error, the file."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.service.verbs import LogLine
from ftl2_enterprise.supervisor.logs.files import path_of
from ftl2_enterprise.supervisor.logs.journal import Journal, is_stderr
from ftl2_enterprise.supervisor.logs.read import last_lines
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = """
import logging, os, subprocess, sys, time, warnings
from pathlib import Path
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.core.settings.sections import Level
from ftl2_enterprise.supervisor.logs import child_output, log
from ftl2_enterprise.supervisor.logs.files import path_of
directory = Path(sys.argv[1])
def configure(**more):
    return log.configure("loop:web", directory=directory, subject="loop:17", name="web", **more)
def written():
    path = path_of(directory, "loop:17")
    return path.read_bytes() if path.exists() else b""
"""


def _run(directory: Path, script: str, *, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", BEGIN + script, str(directory)]
    return subprocess.run(
        argv, env={**os.environ, **(environ or {})}, capture_output=True, text=True, timeout=60, check=False
    )


def _fields(datagram: bytes) -> dict[str, str]:
    """As journald reads an entry."""
    found: dict[str, str] = {}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if equals:
            found[name.decode()] = value.decode()
            datagram = rest
        else:
            (size,) = struct.unpack_from("<Q", rest)
            found[name.decode()] = rest[8 : 8 + size].decode()
            assert rest[8 + size : 9 + size] == b"\n"
            datagram = rest[9 + size :]
    return found


def test_the_journal_gets_fields(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        journal.settimeout(10)
        sink = Journal("control", path)
        fields = {"loop": "web", "loop_id": 17, "iteration": 3, "action": 9, "event": 5, "error": "no\nroute"}
        sink.write(LogLine(at=1, level="warning", message="action.failed", source="loop:web", fields=fields))
        got = _fields(journal.recv(1_000_000))
        sink.close()
    assert got == {
        "MESSAGE": 'loop:web: action.failed action=9 error="no\\nroute"',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "ftl2-enterprise",
        "FTL2_PROCESS": "control",
        "FTL2_LOOP": "web",
        "FTL2_LOOP_ID": "17",
        "FTL2_ITERATION": "3",
        "FTL2_ACTION": "9",
        "FTL2_EVENT": "5",
    }


def test_a_journal_that_accepts_nothing_does_not_block(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        sink = Journal("control", path)
        line = LogLine(at=1, level="error", message="x", source="control", fields={"traceback": "y\n" * 10_000})
        while sink.lost == 0:
            sink.write(line)
        assert "traceback" not in _fields(journal.recv(1_000_000))
        sink.close()


def test_standard_error_is_the_journal_only_if_systemd_declares_it() -> None:
    found = os.fstat(2)
    assert is_stderr({"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
    assert not is_stderr({"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
    assert not is_stderr({})


def test_lines_of_the_program_and_of_libraries_go_to_stderr_and_into_the_file(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        """
configure()
log.use(Redactor(["hunter2hunter2"]))
log.get().info("begun", iteration=4, note="it is hunter2hunter2")
log.get().debug("not wanted")
logging.getLogger("lib").warning("careful: %s", "password=abc123")
logging.getLogger("asyncssh").info("chatter")
warnings.warn("old")
try:
    {}["hunter2hunter2"]
except KeyError as error:
    log.crash(error, crash_id="1f2e")
""",
    )
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stderr
    assert "abc123" not in done.stderr
    lines = last_lines(tmp_path, "loop:17", 100)
    assert [line.message for line in lines][:2] == ["begun", "careful: password=[redacted]"]
    assert lines[0].fields == {"loop": "web", "loop_id": 17, "iteration": 4, "note": "it is [redacted]"}
    assert lines[-1].message == "internal error 1f2e"
    assert "KeyError: '[redacted]'" in lines[-1].fields["traceback"]
    assert len(lines) == 4
    assert [line.split("  ")[0].split()[1] for line in done.stderr.splitlines() if "loop:web" in line] == [
        "loop:web"
    ] * 4


def test_output_of_the_process_and_its_children_is_in_the_log(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        """
configure()
log.use(Redactor(["hunter2hunter2"]))
child_output.capture()
print("from python, hunter2hunter2")
subprocess.run(["sh", "-c", "echo from a child >&2"], check=True)
while len(written().splitlines()) < 2:
    time.sleep(0.01)
""",
    )
    assert done.returncode == 0
    lines = last_lines(tmp_path, "loop:17", 10)
    assert [line.message for line in lines] == ["from python, [redacted]", "from a child"]
    assert all(line.source == "loop:web" for line in lines)


@pytest.mark.parametrize("before", [4070, 4080, 4090, 8170, 65_530, 131_070])
def test_a_secret_in_a_long_line_is_not_cut_in_two(tmp_path: Path, before: int) -> None:
    done = _run(
        tmp_path,
        f"""
configure()
log.use(Redactor(["hunter2hunter2-and-more"]))
child_output.capture()
print("x" * {before} + "hunter2hunter2-and-more" + "y" * 5000)
print("last")
while b"last" not in written():
    time.sleep(0.01)
""",
    )
    assert done.returncode == 0
    messages = [line.message for line in last_lines(tmp_path, "loop:17", 100)]
    assert messages[-1] == "last"
    shown = "".join(messages[:-1])
    assert shown == "x" * before + "[redacted]" + "y" * 5000
    assert max(map(len, messages)) <= 4096


def test_a_secret_is_found_in_output_of_several_lines(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        """
import base64
configure()
secret = "correct horse battery staple " * 5
log.use(Redactor([secret]))
child_output.capture()
print("before", base64.encodebytes(secret.encode()).decode(), "after", sep="\\n")
print("-----BEGIN PRIVATE KEY-----\\nMIIBVgIBADANBg\\nkqhkiG9w0BAQEF\\n-----END PRIVATE KEY-----")
sys.stdout.write("the last line")
sys.stdout.flush()
child_output.close()
log.close()
""",
    )
    assert done.returncode == 0, done.stderr
    messages = [line.message for line in last_lines(tmp_path, "loop:17", 100)]
    assert messages == ["before", "[redacted]", "after", "[redacted]", "the last line"]


def test_what_is_printed_slowly_is_logged_before_the_process_ends(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        """
configure()
log.use(Redactor(["hunter2hunter2"]))
child_output.capture()
count = 0
while b"line 20" not in written():
    print("line", count)
    count += 1
    time.sleep(0.01)
assert count < 2000, count
""",
    )
    assert done.returncode == 0, done.stderr


def test_a_flood_of_output_is_bounded_and_reported(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        """
configure()
now = 0.0
child_output.capture(clock=lambda: now)
for n in range(5000):
    print("line", n)
while b"last" not in written():
    now += 60.0
    print("last")
    time.sleep(0.01)
""",
    )
    assert done.returncode == 0
    messages = [line.message for line in last_lines(tmp_path, "loop:17", 10_000)]
    assert len(messages) < 500
    assert "output lost" in messages
    assert messages[-1] == "last"
    assert messages.index("output lost") < messages.index("last")


def test_the_last_output_of_a_crashing_process_is_kept(tmp_path: Path) -> None:
    done = _run(
        tmp_path,
        """
configure()
child_output.capture(path_of(directory, "loop:17"))
import ctypes
ctypes.string_at(0)
""",
    )
    assert done.returncode == -signal.SIGSEGV
    assert any("Segmentation fault" in line.message for line in last_lines(tmp_path, "loop:17", 100))


def test_a_stopped_reader_of_stderr_does_not_block(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    script = (
        BEGIN
        + """
configure()
for n in range(20_000):
    log.get().warning("x" * 200, n=n)
Path(directory / "done").write_text("")
"""
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=writing) as process:
        os.close(writing)
        until((tmp_path / "done").exists)
        # It ends although no line was read.
        assert process.wait(timeout=30) == 0
    os.close(reading)


def test_a_log_file_that_cannot_be_written_does_not_end_the_process(tmp_path: Path) -> None:
    path_of(tmp_path, "loop:17").mkdir()
    done = _run(tmp_path, "configure(threaded=False)\nlog.get().warning('x')\nprint('alive')\n")
    assert done.stdout == "alive\n"
