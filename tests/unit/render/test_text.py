"""Texts for people: nothing that a host prints controls the terminal, and every measure is readable."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.render import text
from ftl2_enterprise.render.colour import Painter, painter
from ftl2_enterprise.render.text import Role, Span, fields_text, fitted, line, person, symbol, with_commands


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("bell\x07", "bell\ufffd"),
        ("back\x08space", "back\ufffdspace"),
        ("over\rwritten", "over\ufffdwritten"),
        ("\x9b31mc1", "\ufffd31mc1"),
        ("txt\u202egpj.exe", "txt\ufffdgpj.exe"),
        ("half \udc80 byte", "half \ufffd byte"),
        ("[bold]markup[/bold] [/path]", "[bold]markup[/bold] [/path]"),
        ("größe ✔ 日本", "größe ✔ 日本"),
        ("two\nlines\r\n", "two\nlines\n"),
    ],
)
def test_what_hosts_print_cannot_control_the_terminal(raw: str, shown: str) -> None:
    assert text.clean(raw) == shown


@given(st.text())
def test_a_clean_text_holds_no_control_and_stays_clean(raw: str) -> None:
    shown = text.clean(raw)
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in shown.replace("\n", ""))
    assert text.clean(shown) == shown


@given(st.text(max_size=500), st.integers(min_value=10, max_value=80))
def test_one_line_is_one_short_line(raw: str, limit: int) -> None:
    shown = text.one_line(raw, limit)
    assert "\n" not in shown
    assert len(shown) <= limit


def test_the_last_lines_are_those_that_are_not_blank() -> None:
    assert text.last_lines("a\n\nb\n  \nc\n\n", 2) == ["b", "c"]
    assert text.last_lines("", 5) == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.004, "0.00 s"), (0.02, "0.02 s"), (3.14, "3.1 s"), (42, "42 s"), (300, "5 min"), (10_800, "3 h"),
     (200_000, "2 d"), (-1, "0.00 s"), (None, "-")],
)  # fmt: skip
def test_durations(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [[Span("a"), Span("b")], [Span("日本"), Span("c")]]
    assert [row.plain for row in text.columns(rows)] == ["a     b", "日本  c"]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


ONE = line(symbol("✔", Role.GOOD), ("ok", Role.GOOD), " done")


@pytest.mark.parametrize("width", [0, 40])
def test_a_line_with_a_text_as_it_came_is_harmless_in_the_end(width: int) -> None:
    stream = Terminal()
    one = Painter(stream=stream, is_terminal=width > 0, has_colour=True, width=width)
    one.print(line("a", ("red\x1b[31m \x9b1m\u202e\x00", Role.BAD), f" {'word ' * 20}"))
    shown = stream.getvalue().replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert shown.startswith("ared \ufffd1m\ufffd\ufffd word")
    assert all(letter.isprintable() or letter == "\n" for letter in shown)


def printed(one: Painter) -> str:
    one.print(ONE)
    assert isinstance(one.stream, io.StringIO)
    return one.stream.getvalue()


def test_a_terminal_gets_colours_and_symbols_a_pipe_neither() -> None:
    assert printed(painter(Terminal(), {})) == "\x1b[32m✔ \x1b[0m\x1b[32mok\x1b[0m done\n"
    assert printed(painter(io.StringIO(), {})) == "ok done\n"


def test_no_color_takes_the_colours_and_leaves_the_symbols() -> None:
    assert printed(painter(Terminal(), {"NO_COLOR": "1"})) == "✔ ok done\n"
    assert "\x1b" in printed(painter(Terminal(), {"NO_COLOR": ""}))


def test_a_dumb_terminal_is_treated_like_a_pipe() -> None:
    assert printed(painter(Terminal(), {"TERM": "dumb"})) == "ok done\n"


def test_a_wide_line_is_broken_at_blanks_and_keeps_its_roles() -> None:
    wide = line(("changed   ", Role.GOOD), "one two three four five six", indent=2)
    assert [part.plain.rstrip() for part in fitted(wide, 24)] == ["  changed   one two", "    three four five six"]
    assert fitted(wide, 24)[0].spans[0].role is Role.GOOD
    assert fitted(wide, 80) == [wide]
    measured = line("twelve three four", (" (0.01 s)", Role.FAINT))
    assert [part.plain.rstrip() for part in fitted(measured, 24)] == ["twelve three four", "  (0.01 s)"]


def test_a_command_is_never_broken_so_that_it_can_be_copied() -> None:
    again = line("continue: ", ("ftl2-enterprise run --resume made", Role.COMMAND))
    assert [part.plain for part in fitted(again, 24)] == [again.plain]


def test_the_text_around_a_command_is_broken_at_blanks() -> None:
    hint = line(
        ("hint: ", Role.ACCENT),
        "give another name, or first ",
        ("`ftl2ctl cancel web`", Role.COMMAND),
        " and ",
        ("`ftl2ctl delete web`", Role.COMMAND),
        ", when it is not needed",
    )
    assert [part.plain.rstrip() for part in fitted(hint, 46)] == [
        "hint: give another name, or first",
        "  `ftl2ctl cancel web` and",
        "  `ftl2ctl delete web`, when it is not needed",
    ]


def test_a_word_of_several_pieces_is_not_broken_between_them() -> None:
    wide = line("the loop called ", ("web-frontend", Role.STRONG), ": ", ("paused", Role.WARNING), ", (", "why", ")")
    assert [part.plain.rstrip() for part in fitted(wide, 28)] == [
        "the loop called",
        "  web-frontend: paused,",
        "  (why)",
    ]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"a": 1, "b": None, "c": "", "d": [], "e": {}}, "a=1"),
        ({"names": ["x", "y"]}, 'names="x, y"'),
        ({"ok": True, "text": "two\nlines"}, 'ok=true text="two lines"'),
        ({"error": 'no "file" here', "rc": 1}, 'error="no \\"file\\" here" rc=1'),
        ({"limits": {"a": [1, 2]}}, 'limits={"a":[1,2]}'),
        ({"actions": [{"module": "shell"}]}, 'actions=[{"module":"shell"}]'),
        ({"restart_at": 1_000_000}, 'restart_at="1970-01-01 00:00:01Z"'),
        ({"name": "\x1b[2Jx"}, "name=x"),
    ],
)
def test_fields_are_shown_on_one_line(fields, shown):
    assert fields_text(fields) == shown


@pytest.mark.parametrize(
    ("actor", "name"), [("ada (uid 7, pid 8)", "ada"), ("default", "default"), (None, "unknown")]
)
def test_actors_are_named_without_their_ids(actor, name):
    assert person(actor) == name


def test_a_broken_line_continues_below_its_value():
    lines = fitted(line("name      ", "some words that do not fit", hang=10), 30)
    assert [one.plain.rstrip() for one in lines] == ["name      some words that do", "          not fit"]


COMMAND = "`ftl2ctl hosts trust web1.example.com --port 2222`"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_command_in_a_reason_is_shown_whole_and_on_one_line(columns: int) -> None:
    reason = f"cannot reach {'x' * 300}: its key is not in the file; {COMMAND} shows and records it"
    out = io.StringIO()
    Painter(stream=out, is_terminal=True, has_colour=False, width=columns).print(
        [line("not as desired: ", *with_commands(reason))]
    )
    assert any(COMMAND in shown for shown in out.getvalue().splitlines())


@pytest.mark.parametrize("reason", ["", "no command", "one ` only", "`all`", "a `b` c ` d", "`a``b`"])
def test_nothing_of_a_reason_is_lost(reason: str) -> None:
    assert line(*with_commands(reason)).plain == reason
