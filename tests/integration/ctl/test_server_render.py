"""What the service renders for `ftl2ctl`: what the program prints by itself, and nothing but what only looks."""

from __future__ import annotations

import json
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

from ftl2_enterprise.core.problem import Code, Problem, conflict
from ftl2_enterprise.ctl import server_render
from ftl2_enterprise.protocol.envelope import Welcome
from ftl2_enterprise.protocol.frame import framed
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec
from ftl2_enterprise.protocol.loops.replies import LoopPage, PromptLine
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, PauseLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import Render, Rendered
from ftl2_enterprise.store.database import open_store
from tests.support import builders
from tests.support.control_process import ControlProcess, control
from tests.support.screen import Screen
from tests.support.scripted_service import ScriptedService
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CTL = [sys.executable, "-P", "-m", "ftl2_enterprise.entrypoints.ftl2ctl"]
BY_ITSELF = ("--timeout", "29")
"""What the program does with this, it does by itself: the service refuses to render it."""


@pytest.fixture
def scripted() -> Iterator[ScriptedService]:
    with TemporaryDirectory(prefix="view-") as directory, ScriptedService(Path(directory) / "s") as found:
        yield found


@pytest.fixture
def service() -> Iterator[ControlProcess]:
    with TemporaryDirectory(prefix="view-") as directory, control(Path(directory)) as found:
        yield found


def ctl(path: Path, *words: str, **values: Any) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FTL2")}
    return subprocess.run(
        [*CTL, *words],
        env={**kept, "FTL2CTL_SOCKET": str(path), "PYTHONUTF8": "1"},
        check=False,
        timeout=60,
        text=True,
        **{"capture_output": True, **values},
    )


# --- the program ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 31, 32, 255, 256, 65_535, 65_536, 600_000])
def test_what_the_service_renders_is_printed_as_it_is(scripted: ScriptedService, length: int) -> None:
    told = "é" * (length // 2) + "x" * (length % 2)
    scripted.on(Render, Rendered(text=told))
    done = ctl(scripted.path, "show", "web", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
    assert scripted.asked == [Render(words=["show", "web", "--json"])]


def test_what_it_is_printed_on_is_said(scripted: ScriptedService) -> None:
    scripted.on(Render, Rendered(text="rendered\n"))
    for variables, wanted in (
        ({}, Render(words=["status"], width=93, colour=True, socket=str(scripted.path))),
        ({"NO_COLOR": "1"}, Render(words=["status"], width=93, socket=str(scripted.path))),
        ({"TERM": "dumb"}, Render(words=["status"], socket=str(scripted.path))),
        ({"PYTHONIOENCODING": "latin-1"}, Render(words=["status"], colour=True, socket=str(scripted.path))),
    ):
        scripted.asked.clear()
        with Screen([*CTL, "--socket", str(scripted.path), "status"], columns=93, **variables) as screen:
            screen.wait(lambda text: "rendered" in text)
        assert scripted.asked == [wanted]


def test_hardly_anything_is_loaded_for_it(scripted: ScriptedService) -> None:
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
        "ftl2_enterprise.core.paths",
        "ftl2_enterprise.ctl",
        "ftl2_enterprise.ctl.fast_path",
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
        ("status", "--nonsense"),
        ("status", "--watch"),
        ("status", "--timeout", "0.5"),
        ("health",),
        ("--json", "status"),
        ("\udcff",),
        ("show", "\udcff"),
    ],
)
def test_the_service_is_not_asked_for_what_it_would_refuse(scripted: ScriptedService, words: tuple[str, ...]) -> None:
    ctl(scripted.path, *words)
    assert not scripted.asked_for(Render)


@pytest.mark.parametrize("columns", ["0", "10000", "99999999999", "²", "-3", "x"])
def test_any_width_that_somebody_may_have_set_is_borne(scripted: ScriptedService, columns: str) -> None:
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
    assert scripted.asked == [Render(words=["status"], width=80, colour=True, socket=str(scripted.path))]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("show", "\udcff"), 2, "error: cannot understand '\\udcff': it is not UTF-8 text\n"),
        (("status", "web", "--watch"), 2, "error: cannot take --watch with a loop\n"),
    ],
)
def test_bad_words_are_told(scripted: ScriptedService, words: tuple[str, ...], status: int, told: str) -> None:
    done = ctl(scripted.path, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(told)


@pytest.mark.parametrize(
    ("redirected", "status", "told"),
    [
        (">&-", 69, "error: cannot print anything: the standard output is closed\n"),
        (">&- 2>&-", 69, ""),
        (">/dev/full 2>&-", 69, ""),
        ("2>&-", 0, ""),
    ],
)
def test_streams_that_are_closed_are_no_internal_error(
    scripted: ScriptedService, redirected: str, status: int, told: str
) -> None:
    scripted.on(Render, Rendered(text="rendered\n"))
    words = " ".join([*CTL, "--socket", str(scripted.path), "status"])
    done = subprocess.run(["sh", "-c", f"{words} {redirected}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, told)


@pytest.mark.parametrize("words", [("list", "-n", "1"), ("list", "-n1", "--json")])
def test_what_is_refused_is_made_by_the_program_itself(scripted: ScriptedService, words: tuple[str, ...]) -> None:
    def refuse(_: Render) -> Rendered:
        raise conflict("cannot render that here")

    scripted.on(Render, refuse)
    scripted.on(ListLoops, LoopPage(loops=[builders.loop_line(name="web")]))
    done = ctl(scripted.path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "web" in done.stdout
    assert [type(request) for request in scripted.asked] == [Render, ListLoops]


def test_nobody_but_the_service_that_is_meant_is_asked(scripted: ScriptedService, tmp_path: Path) -> None:
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
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(30)
        yield listener


@contextmanager
def answers(path: Path, said: bytes, *, stays: bool = False) -> Iterator[None]:
    """Somebody who says that to whoever connects, and closes, or is silent then."""
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(said)
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
        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        try:
            yield
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)


def encoded(message: Any) -> bytes:
    return framed(msgspec.msgpack.encode(message))


def rendered(string: bytes) -> bytes:
    """The frame of a reply whose text is encoded so."""
    return framed(b"\x83\xa4type\xa5reply\xa2id\x01\xa6result\x81\xa4text" + string)


WELCOME = encoded(Welcome(protocol=1, version="1"))


@pytest.mark.parametrize(
    ("said", "status", "told"),
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
def test_whatever_is_wrong_is_told_by_the_program_itself(tmp_path: Path, said: bytes, status: int, told: str) -> None:
    with answers(tmp_path / "s", said, stays=True):
        done = ctl(tmp_path / "s", "status")
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert done.stderr.startswith("error: cannot ")


@pytest.mark.parametrize("said", [b"", WELCOME, WELCOME + b"\x00\x00\xff\xff\x83"])
def test_a_connection_that_is_lost_is_told_by_the_program_itself(tmp_path: Path, said: bytes) -> None:
    with answers(tmp_path / "s", said):
        done = ctl(tmp_path / "s", "status")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith("error: cannot go on: the connection to the service was lost\n")


def test_a_service_that_is_silent_is_waited_for_as_long_as_was_asked_for(tmp_path: Path) -> None:
    with answers(tmp_path / "s", WELCOME, stays=True):
        began = time.monotonic()
        done = ctl(tmp_path / "s", "status", "--timeout", "0.5")
        took = time.monotonic() - began
    assert done.returncode == 69
    assert "has not answered within 0.5 s" in done.stderr
    assert took < 10


def test_a_service_that_answers_a_little_at_a_time_is_not_waited_for_any_longer(tmp_path: Path) -> None:
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
            # The program as a whole, which begins anew, is to find nobody.
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
def test_whoever_listens_cannot_steer_the_terminal(scripted: ScriptedService, text: str) -> None:
    scripted.on(Render, Rendered(text=f"begin {text} end\n"))
    scripted.on(ListLoops, LoopPage(loops=[builders.loop_line(name="web")]))
    assert "web" in ctl(scripted.path, "list").stdout
    with Screen([*CTL, "--socket", str(scripted.path), "list"]) as screen:
        screen.wait(lambda shown: "web" in shown)
        assert "end" not in screen.text


def test_what_cannot_be_printed_is_told(scripted: ScriptedService) -> None:
    scripted.on(Render, Rendered(text="rendered\n" * 100_000))
    with Path("/dev/full").open("w") as full:
        done = ctl(scripted.path, "status", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 69
    assert done.stderr == "error: cannot go on: no space left on device\n"


def test_a_reader_that_leaves_early_is_no_error(scripted: ScriptedService) -> None:
    scripted.on(Render, Rendered(text="rendered\n" * 100_000))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ctl(scripted.path, "status", capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupt_is_its_usual_end(tmp_path: Path) -> None:
    with listening(tmp_path / "s") as listener:
        process = subprocess.Popen(
            [*CTL, "--socket", str(tmp_path / "s"), "status"], stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"")


# --- the service ---------------------------------------------------------------------------------------------------


def submit(service: ControlProcess, name: str) -> Loop:
    return service.call(SubmitLoop(spec=LoopSpec(name=name, desired_state="nginx answers")))


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("list", "--all"),
        ("status", "-n1"),
        ("status", "web"),
        ("show", "db"),
        ("show", "db", "--json"),
        ("prompts",),
        ("prompts", "--all", "--json"),
        ("status", "--json"),
    ],
)
def test_it_is_what_the_program_would_have_printed(service: ControlProcess, words: tuple[str, ...]) -> None:
    submit(service, "web")
    submit(service, "db")
    service.call(PauseLoop(loop="web"))

    def same() -> bool:
        seen, made = ctl(service.socket, *words), ctl(service.socket, *words, *BY_ITSELF)
        assert (seen.returncode, seen.stderr, made.stderr) == (0, "", "")
        # Between the two an age may have become another one.
        return seen.stdout == made.stdout == service.call(Render(words=[*words])).text

    until(same)


@pytest.mark.parametrize("columns", [30, 81, 200])
@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_gets_what_the_program_would_have_printed(
    service: ControlProcess, columns: int, *, colour: bool
) -> None:
    submit(service, "a-loop-with-a-name-that-is-longer-than-what-fits-into-thirty-columns")
    submit(service, "数据库-主")
    variables = {} if colour else {"NO_COLOR": "1"}

    def seen(*words: str) -> str:
        with Screen([*CTL, "--socket", str(service.socket), *words], columns=columns, **variables) as screen:
            assert screen.end() == 0
            return screen.raw

    def same() -> bool:
        return seen("status") == seen("status", *BY_ITSELF) and "2 loops" in seen("status")

    until(same)
    assert ("\x1b[" in seen("status")) == colour


def test_a_terminal_gets_what_fits_it(service: ControlProcess) -> None:
    submit(service, "a-loop-with-a-name-that-is-longer-than-what-fits-into-forty-columns")
    narrow = service.call(Render(words=["status"], width=40)).text
    wide = service.call(Render(words=["status"], width=200, colour=True)).text
    assert max(map(len, narrow.splitlines())) <= 40
    assert "\x1b[" not in narrow
    assert "\x1b[" in wide
    assert "that-is-longer-than-what-fits" in wide


def test_commands_that_are_offered_name_the_socket_as_it_was_given(service: ControlProcess) -> None:
    submit(service, "web")
    text = service.call(Render(words=["show", "web"], socket="/some/where")).text
    assert "ftl2ctl --socket /some/where history web" in text


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["pause", "web"],
        ["delete", "web", "--yes"],
        ["submit", "everything is well"],
        ["history", "web"],
        ["health"],
        ["stat"],
        ["statut"],
        ["status", "--watch"],
        ["status", "-w"],
        ["status", "--help"],
        ["status", "--timeout", "1"],
        ["status", "--socket", "/x"],
        ["status", "--no-such-option"],
        ["status", "nobody"],
        ["show"],
        ["show", "x" * 1001],
        ["prompts", *([""] * 1_000)],
        ["status", *(["-a"] * 1000)],
        ["--json", "status"],
        ["../status"],
        ["os"],
    ],
)
def test_everything_else_is_refused_and_nothing_is_done(service: ControlProcess, words: list[str]) -> None:
    submit(service, "web")
    before = dump(service)
    with pytest.raises(Problem) as told:
        service.call(Render(words=words))
    assert told.value.code in {Code.INVALID, Code.NOT_FOUND}
    assert dump(service) == before


def dump(service: ControlProcess) -> list[Any]:
    store = open_store(service.directory / "loops.db", create=False)
    try:
        with store.read() as tx:
            return [
                list(tx.connection.exec_driver_sql(f"SELECT {columns} FROM {table}"))
                for table, columns in (("loops", "id, name, desired, priority, next_run_at"), ("prompts", "*"))
            ]
    finally:
        store.close()


@pytest.mark.parametrize("more", [{"width": -1}, {"width": 10_000}, {"width": 2**40}, {"socket": "x" * 201}])
def test_a_terminal_of_no_size_and_a_socket_of_any_length_are_refused(
    service: ControlProcess, more: dict[str, Any]
) -> None:
    with pytest.raises(Problem, match=r"^cannot do system\.render: "):
        service.call(Render(words=["status"], **more))


def test_long_lists_are_left_to_the_client(service: ControlProcess) -> None:
    for number in range(server_render.MOST + 1):
        submit(service, f"c{number}")
    with pytest.raises(Problem, match="cannot render that here"):
        service.call(Render(words=["status"]))
    assert service.call(Render(words=["status", "-n", str(server_render.MOST)])).text.count("\n") > server_render.MOST
    done = ctl(service.socket, "status", "--json")
    assert len(json.loads(done.stdout)["loops"]) == server_render.MOST + 1


def test_a_question_that_waits_is_rendered_as_the_program_would(scripted: ScriptedService) -> None:
    prompts = [PromptLine(loop="web", prompt=builders.prompt())]
    replies = {ListLoops: LoopPage(loops=[builders.loop_line(open_prompts=1)]), ListPrompts: prompts}
    scripted.on(ListLoops, replies[ListLoops])
    scripted.on(ListPrompts, prompts)

    def same() -> bool:
        rendered = server_render.render(lambda request: replies[type(request)], Render(words=["status"]))
        return rendered.text == ctl(scripted.path, "status", *BY_ITSELF).stdout

    until(same)
