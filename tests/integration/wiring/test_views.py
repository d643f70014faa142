"""The views that the service renders are what its clients print, and nothing but what is read."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec
from ftl2_enterprise.protocol.loops.replies import LoopPage, PromptLine
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, PauseLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes, Render
from ftl2_enterprise.wiring import views
from ftl2_enterprise.wiring.database import open_database
from tests.support.data import builders
from tests.support.scripted.scripted_service import ScriptedService
from tests.support.service.control_process import ControlProcess, control
from tests.support.terminal.ctl_process import CTL, ctl
from tests.support.terminal.screen import Screen
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


WITHOUT_SERVICE_VIEW = ("--timeout", "29")


@pytest.fixture
def scripted() -> Iterator[ScriptedService]:
    with TemporaryDirectory(prefix="view-") as directory, ScriptedService(Path(directory) / "s") as found:
        yield found


@pytest.fixture
def service() -> Iterator[ControlProcess]:
    with TemporaryDirectory(prefix="view-") as directory, control(Path(directory)) as found:
        yield found


@pytest.fixture(scope="module")
def unchanged() -> Iterator[ControlProcess]:
    """A service with a loop `web`, for tests that change nothing."""
    with TemporaryDirectory(prefix="view-") as directory, control(Path(directory)) as found:
        submit(found, "web")
        yield found


@pytest.fixture(scope="module")
def paused() -> Iterator[ControlProcess]:
    """A service with a paused loop `web` and a loop `db`, for tests that change nothing."""
    with TemporaryDirectory(prefix="view-") as directory, control(Path(directory)) as found:
        submit(found, "web")
        submit(found, "db")
        found.call(PauseLoop(loop="web"))
        yield found


@pytest.fixture(scope="module")
def wide() -> Iterator[ControlProcess]:
    """A service with two loops whose names take much room, for tests that change nothing."""
    with TemporaryDirectory(prefix="view-") as directory, control(Path(directory)) as found:
        submit(found, "a-loop-with-a-name-that-is-longer-than-what-fits-into-thirty-columns")
        submit(found, "数据库-主")
        yield found


def submit(service: ControlProcess, name: str) -> Loop:
    return service.call(SubmitLoop(spec=LoopSpec(name=name, desired_state="nginx answers")))


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (("status",), Render(view="status")),
        (("list", "--all"), Render(view="status", every=True)),
        (("status", "-n1"), Render(view="status", limit=1)),
        (("status", "web"), Render(view="status", of="web")),
        (("show", "db"), Render(view="show", of="db")),
        (("show", "db", "--json"), Render(view="show", of="db", json=True)),
        (("prompts",), Render(view="prompts")),
        (("prompts", "--all", "--json"), Render(view="prompts", every=True, json=True)),
        (("status", "--json"), Render(view="status", json=True)),
    ],
)
def test_a_view_equals_the_output_of_the_client(
    paused: ControlProcess, words: tuple[str, ...], request_: Render
) -> None:
    def same() -> bool:
        seen, made = ctl(paused.socket, *words), ctl(paused.socket, *words, *WITHOUT_SERVICE_VIEW)
        assert (seen.returncode, seen.stderr, made.stderr) == (0, "", "")
        # An age may change between the two.
        return seen.stdout == made.stdout == paused.call(request_).text

    until(same)


@pytest.mark.parametrize("columns", [30, 81, 200])
@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_gets_what_the_client_prints(wide: ControlProcess, columns: int, *, colour: bool) -> None:
    variables = {} if colour else {"NO_COLOR": "1"}

    def seen(*words: str) -> str:
        with Screen([*CTL, "--socket", str(wide.socket), *words], columns=columns, environment=variables) as screen:
            assert screen.end() == 0
            return screen.raw

    def same() -> bool:
        return seen("status") == seen("status", *WITHOUT_SERVICE_VIEW) and "2 loops" in seen("status")

    until(same)
    assert ("\x1b[" in seen("status")) == colour


def test_a_terminal_gets_what_fits_it(service: ControlProcess) -> None:
    submit(service, "a-loop-with-a-name-that-is-longer-than-what-fits-into-forty-columns")
    narrow = service.call(Render(view="status", width=40)).text
    wide = service.call(Render(view="status", width=200, colour=True)).text
    assert max(map(len, narrow.splitlines())) <= 40
    assert "\x1b[" not in narrow
    assert "\x1b[" in wide
    assert "that-is-longer-than-what-fits" in wide


def test_offered_commands_name_the_socket_of_the_caller(service: ControlProcess) -> None:
    submit(service, "web")
    text = service.call(Render(view="show", of="web", socket="/some/where")).text
    assert "ftl2ctl --socket /some/where history web" in text


@pytest.mark.parametrize(
    "fields",
    [
        {"view": "pause", "of": "web"},
        {"view": "delete", "of": "web"},
        {"view": "history", "of": "web"},
        {"view": "health"},
        {"view": "list"},
        {"view": ""},
        {"view": "stat"},
        {"view": "../status"},
        {"view": "os"},
        {"view": "x" * 51},
        {"view": "status", "of": "nobody"},
        {"view": "status", "limit": 0},
        {"view": "show"},
        {"view": "show", "of": "x" * 1001},
        {"view": "status", "width": -1},
        {"view": "status", "width": 10_000},
        {"view": "status", "width": 2**40},
        {"view": "status", "socket": "x" * 201},
    ],
)
def test_everything_else_is_refused_and_changes_nothing(unchanged: ControlProcess, fields: dict[str, Any]) -> None:
    before = dump(unchanged)
    with pytest.raises(Problem) as caught:
        unchanged.call(Render(**fields))
    assert caught.value.code in {Code.INVALID, Code.NOT_FOUND}
    assert dump(unchanged) == before


def dump(service: ControlProcess) -> list[Any]:
    store = open_database(service.directory / "loops.db", create=False)
    try:
        with store.read() as tx:
            return [
                list(tx.connection.exec_driver_sql(f"SELECT {columns} FROM {table}"))
                for table, columns in (("loops", "id, name, desired, priority, next_run_at"), ("prompts", "*"))
            ]
    finally:
        store.close()


def test_long_lists_are_left_to_the_client(service: ControlProcess) -> None:
    for number in range(views.MOST + 1):
        submit(service, f"c{number}")
    with pytest.raises(Problem, match="cannot render that view here"):
        service.call(Render(view="status"))
    assert service.call(Render(view="status", limit=views.MOST)).text.count("\n") > views.MOST
    done = ctl(service.socket, "status", "--json")
    assert len(json.loads(done.stdout)["loops"]) == views.MOST + 1


def test_an_open_prompt_is_rendered_as_by_the_client(scripted: ScriptedService) -> None:
    prompts = [PromptLine(loop="web", prompt=builders.prompt())]
    replies: dict[Any, Any] = {
        ListLoops: LoopPage(loops=[builders.loop_line(open_prompts=1)]),
        ListPrompts: prompts,
        ListFreezes: [],
    }
    scripted.on(ListLoops, replies[ListLoops])
    scripted.on(ListPrompts, prompts)

    def same() -> bool:
        rendered = views.render(lambda request: replies[type(request)], Render(view="status"))
        return rendered.text == ctl(scripted.path, "status", *WITHOUT_SERVICE_VIEW).stdout

    until(same)
