"""The fast path of `ftl2ctl`: views that the service renders are printed before anything else is loaded."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.protocol.envelope import Welcome
from ftl2_enterprise.protocol.frame import framed
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops
from ftl2_enterprise.protocol.service.verbs import ListFreezes, Render, Rendered
from tests.support.data import builders
from tests.support.scripted.scripted_service import ScriptedService
from tests.support.terminal.ctl_process import CTL, ctl
from tests.support.terminal.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.fixture
def scripted() -> Iterator[ScriptedService]:
    with TemporaryDirectory(prefix="view-") as directory, ScriptedService(Path(directory) / "s") as found:
        yield found


@pytest.mark.parametrize("length", [0, 1, 31, 32, 255, 256, 65_535, 65_536, 600_000])
def test_a_view_of_the_service_is_printed_unchanged(scripted: ScriptedService, length: int) -> None:
    text = "é" * (length // 2) + "x" * (length % 2)
    scripted.on(Render, Rendered(text=text))
    done = ctl(scripted.path, "show", "web", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")
    assert scripted.asked == [Render(view="show", of="web", json=True)]


def test_the_terminal_is_described(scripted: ScriptedService) -> None:
    scripted.on(Render, Rendered(text="rendered\n"))
    for variables, expected in (
        ({}, Render(view="status", width=93, colour=True, socket=str(scripted.path))),
        ({"NO_COLOR": "1"}, Render(view="status", width=93, socket=str(scripted.path))),
        ({"TERM": "dumb"}, Render(view="status", socket=str(scripted.path))),
        ({"PYTHONIOENCODING": "latin-1"}, Render(view="status", colour=True, socket=str(scripted.path))),
    ):
        scripted.asked.clear()
        with Screen([*CTL, "--socket", str(scripted.path), "status"], columns=93, environment=variables) as screen:
            screen.wait(lambda text: "rendered" in text)
        assert scripted.asked == [expected]


def test_it_loads_fourteen_small_modules(scripted: ScriptedService) -> None:
    scripted.on(Render, Rendered(text=""))
    program = (
        "import sys; before = set(sys.modules); from ftl2_enterprise.entrypoints import ftl2ctl;"
        f"sys.argv = ['ftl2ctl', '--socket', {str(scripted.path)!r}, 'status']; ftl2ctl.main();"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "__future__",
        "_socket",
        "ftl2_enterprise",
        "ftl2_enterprise.core",
        "ftl2_enterprise.core.packages",
        "ftl2_enterprise.core.paths",
        "ftl2_enterprise.ctl",
        "ftl2_enterprise.ctl.fast_path",
        "ftl2_enterprise.ctl.loops",
        "ftl2_enterprise.ctl.loops.views",
        "ftl2_enterprise.entrypoints",
        "ftl2_enterprise.entrypoints.ftl2ctl",
        "ftl2_enterprise.render",
        "ftl2_enterprise.render.terminal",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--help"),
        ("show",),
        ("show", "web", "--all"),
        ("show", "web", "db"),
        ("show", ""),
        ("status", "-n", "0"),
        ("status", "-n", "many"),
        ("status", "-n"),
        ("status", "-n", "1" * 9),
        ("status", "--limits=3"),
        ("status", "--nonsense"),
        ("status", "--watch"),
        ("status", "--timeout", "0.5"),
        ("health",),
        ("--json", "status"),
        ("\udcff",),
        ("show", "\udcff"),
    ],
)
def test_views_that_the_service_would_refuse_are_not_requested(
    scripted: ScriptedService, words: tuple[str, ...]
) -> None:
    ctl(scripted.path, *words)
    assert not scripted.asked_for(Render)


@pytest.mark.parametrize("columns", ["0", "10000", "99999999999", "²", "-3", "x"])
def test_any_value_of_columns_is_accepted(scripted: ScriptedService, columns: str) -> None:
    scripted.on(Render, Rendered(text="rendered\n"))
    ours, theirs = os.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FTL2CTL_SOCKET"}}
    try:
        done = subprocess.run(
            [*CTL, "--socket", str(scripted.path), "status"],
            env=environment | {"COLUMNS": columns, "TERM": "xterm", "PYTHONUTF8": "1"},
            stdout=theirs, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert os.read(ours, 100) == b"rendered\r\n"
    finally:
        os.close(ours)
        os.close(theirs)
    assert scripted.asked == [Render(view="status", width=80, colour=True, socket=str(scripted.path))]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("show", "\udcff"), 2, "error: cannot understand '\\udcff': it is not UTF-8 text\n"),
        (("status", "web", "--watch"), 2, "error: cannot take --watch with a loop\n"),
    ],
)
def test_invalid_arguments_are_refused(
    scripted: ScriptedService, words: tuple[str, ...], status: int, message: str
) -> None:
    done = ctl(scripted.path, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(message)


@pytest.mark.parametrize(
    ("redirected", "status", "message"),
    [
        (">&-", 69, "error: cannot print anything: the standard output is closed\n"),
        (">&- 2>&-", 69, ""),
        (">/dev/full 2>&-", 69, ""),
        ("2>&-", 0, ""),
    ],
)
def test_streams_that_are_closed_are_no_internal_error(
    scripted: ScriptedService, redirected: str, status: int, message: str
) -> None:
    scripted.on(Render, Rendered(text="rendered\n"))
    words = " ".join([*CTL, "--socket", str(scripted.path), "status"])
    done = subprocess.run(["sh", "-c", f"{words} {redirected}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, message)


@pytest.mark.parametrize("words", [("list", "-n", "1"), ("list", "-n1", "--json")])
def test_a_refused_view_is_rendered_by_the_client(scripted: ScriptedService, words: tuple[str, ...]) -> None:
    def refuse(_: Render) -> Rendered:
        raise conflict("cannot render that view here")

    scripted.on(Render, refuse)
    scripted.on(ListLoops, LoopPage(loops=[builders.loop_line(name="web")]))
    done = ctl(scripted.path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "web" in done.stdout
    asked = [Render, ListLoops, *(() if "--json" in words else (ListFreezes,))]
    assert [type(request) for request in scripted.asked] == asked


def test_only_the_named_service_is_asked(scripted: ScriptedService, tmp_path: Path) -> None:
    scripted.on(Render, Rendered(text="rendered\n"))
    for words in (
        ("status", "--socket", str(tmp_path / "other")),
        ("status", f"--socket={tmp_path}/other"),
        ("--socket", str(tmp_path / "other"), "status"),
        ("--socket", ""),
        ("--socket", "", "status"),
        ("--socket", " ", "status"),
    ):
        done = ctl(scripted.path, *words)
        assert done.returncode != 0
        assert done.stderr.startswith("error: cannot ")
    assert not scripted.asked


@contextmanager
def listening(path: Path) -> Generator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(30)
        yield listener


@contextmanager
def answers(path: Path, reply: bytes, *, stays: bool = False) -> Generator[None]:
    """A listener that sends that to each connection, then closes it or keeps silent."""
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(reply)
            if stays:
                over.wait(60)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    with listening(path) as listener:
        # With a time limit, accept(2) would not return an error after the shutdown, but be called again and again.
        listener.settimeout(None)
        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        try:
            yield
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            assert not accepting.is_alive()


def encoded(message: Any) -> bytes:
    return framed(msgspec.msgpack.encode(message))


def rendered(string: bytes) -> bytes:
    """The frame of a reply whose text is encoded so."""
    return framed(b"\x83\xa4type\xa5reply\xa2id\x01\xa6result\x81\xa4text" + string)


WELCOME = encoded(Welcome(protocol=1, version="1"))


@pytest.mark.parametrize(
    ("reply", "status", "message"),
    [
        (b"\x00\x00\x00\x00", 2, "cannot understand"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10, 2, "cannot take a message of"),
        (encoded(Welcome(protocol=2, version="7.1")), 2, "it speaks version 2 of the protocol"),
        (WELCOME + rendered(b""), 2, "cannot understand"),
        (WELCOME + rendered(b"\xa1\xff"), 2, "cannot understand"),
        (WELCOME + rendered(b"\xdb\x00\x00\xff\xffhi"), 2, "cannot understand"),
        (WELCOME + rendered(b"\xa1hi"), 2, "cannot understand"),
        (WELCOME + rendered(b"\xd9"), 2, "cannot understand"),
        (WELCOME + rendered(b"\xc0"), 2, "cannot understand"),
        (WELCOME + b"\x7f\xff\xff\xff" + bytes(100), 2, "cannot take a message of"),
        (WELCOME + framed(b"\x83\xa4type\xa5reply\xa2id\x01\xa6result\xc0"), 2, "cannot understand"),
    ],
)
def test_malformed_replies_are_explained_by_the_whole_program(
    tmp_path: Path, reply: bytes, status: int, message: str
) -> None:
    with answers(tmp_path / "s", reply, stays=True):
        done = ctl(tmp_path / "s", "status")
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert done.stderr.startswith("error: cannot ")


@pytest.mark.parametrize("reply", [b"", WELCOME, WELCOME + b"\x00\x00\xff\xff\x83"])
def test_a_lost_connection_is_explained_by_the_whole_program(tmp_path: Path, reply: bytes) -> None:
    with answers(tmp_path / "s", reply):
        done = ctl(tmp_path / "s", "status")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith("error: cannot continue: the connection to the service was lost\n")


def test_a_silent_service_is_waited_for_as_long_as_requested(tmp_path: Path) -> None:
    with answers(tmp_path / "s", WELCOME, stays=True):
        began = time.monotonic()
        done = ctl(tmp_path / "s", "status", "--timeout", "0.5")
        took = time.monotonic() - began
    assert done.returncode == 69
    assert "has not answered within 0.5 s" in done.stderr
    assert took < 10


def test_a_slowly_arriving_reply_does_not_extend_the_limit(tmp_path: Path) -> None:
    over = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with suppress(OSError):
            for byte in WELCOME + framed(bytes(1_000_000)):
                if over.wait(0.05):
                    return
                connection.sendall(bytes([byte]))

    with listening(tmp_path / "s") as listener:
        process = subprocess.Popen([*CTL, "--socket", str(tmp_path / "s"), "status"], stderr=subprocess.DEVNULL)
        first, _ = listener.accept()
        thread = threading.Thread(target=trickle, args=[first], daemon=True)
        thread.start()
        try:
            # The whole program then finds no service.
            listener.close()
            assert process.wait(30) == 69
        finally:
            over.set()
            process.kill()
            process.wait()
            thread.join(10)
            first.close()


@pytest.mark.parametrize(
    "text", ["\x1b]0;owned\x07", "\x1b[2J", "\x1b[1m\x1b[5A", "\x9b2J", "\r", "\x08", "\u202e", "\x1b", "\x1b[31"]
)
def test_a_false_service_cannot_control_the_terminal(scripted: ScriptedService, text: str) -> None:
    scripted.on(Render, Rendered(text=f"begin {text} end\n"))
    scripted.on(ListLoops, LoopPage(loops=[builders.loop_line(name="web")]))
    assert "web" in ctl(scripted.path, "list").stdout
    with Screen([*CTL, "--socket", str(scripted.path), "list"]) as screen:
        screen.wait(lambda shown: "web" in shown)
        assert "end" not in screen.text


def test_a_failed_write_is_reported(scripted: ScriptedService) -> None:
    scripted.on(Render, Rendered(text="rendered\n" * 100_000))
    with Path("/dev/full").open("w") as full:
        done = ctl(scripted.path, "status", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 69
    assert done.stderr == "error: cannot continue: no space left on device\n"


def test_a_reader_that_leaves_early_is_no_error(scripted: ScriptedService) -> None:
    scripted.on(Render, Rendered(text="rendered\n" * 100_000))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ctl(scripted.path, "status", capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupt_ends_it_with_130(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as listener:
        process = subprocess.Popen(
            [*CTL, "--socket", str(tmp_path / "s"), "status"], stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (130, b"")


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (("status",), Render(view="status")),
        (("list", "-a"), Render(view="status", every=True)),
        (("status", "web"), Render(view="status", of="web")),
        (("status", "--all", "-n", "20"), Render(view="status", every=True, limit=20)),
        (("status", "-n20", "--json"), Render(view="status", limit=20, json=True)),
        (("status", "-n=20"), Render(view="status", limit=20)),
        (("status", "--limit=20"), Render(view="status", limit=20)),
        (("status", "--limit", "20"), Render(view="status", limit=20)),
        (("show", "数据库"), Render(view="show", of="数据库")),
        (("prompts", "web", "--all"), Render(view="prompts", of="web", every=True)),
    ],
)
def test_the_words_become_the_request(scripted: ScriptedService, words: tuple[str, ...], request_: Render) -> None:
    scripted.on(Render, Rendered(text="rendered\n"))
    done = ctl(scripted.path, *words)
    assert (done.returncode, done.stdout) == (0, "rendered\n")
    assert scripted.asked == [request_]
