"""Words of a command line into values."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.cli.program import FTL2_ENTERPRISE
from ftl2_enterprise.commandline import finder, parsing
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import tokenizer
from ftl2_enterprise.ctl.program import FTL2CTL


def parsed(text: str) -> dict[str, object]:
    command, rest = finder.find(FTL2CTL, tokenizer.split(text))
    return parsing.parse(FTL2CTL, command, rest).values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("status", {}),
        ("list --all", {"all": True}),
        ("watch web", {"loop": "web"}),
        ("watch --json web", {"loop": "web", "json": True}),
        ("pause web", {"loop": ["web"]}),
        ("pause --json web -- -db", {"loop": ["web", "-db"], "json": True}),
        ("pause --all", {"all": True}),
        ("history web -n 3", {"loop": "web", "limit": 3}),
        ("history web -n3", {"loop": "web", "limit": 3}),
        ("history -n=3 web", {"loop": "web", "limit": 3}),
        ("history web --limit=3", {"loop": "web", "limit": 3}),
        ("answer", {}),
        ("answer 3", {"prompt": 3}),
        ("answer #3 yes", {"prompt": 3, "answer": "yes"}),
        ("answer 3 on the second disk", {"prompt": 3, "answer": "on the second disk"}),
        ("answer 3 'two  blanks'", {"prompt": 3, "answer": "two  blanks"}),
        ("answer 3 -- --force", {"prompt": 3, "answer": "--force"}),
        ("answer 3 -", {"prompt": 3, "answer": "-"}),
        ("rules", {}),
        ("rules show nginx", {"rule": "nginx"}),
        ("submit nginx runs --name web", {"desired-state": "nginx runs", "name": "web"}),
        ("submit -f a.yaml -s a.b=C -s d.e=F", {"file": "a.yaml", "secret": ["a.b=C", "d.e=F"]}),
        ("submit x --priority -5", {"desired-state": "x", "priority": -5}),
        ("submit x --max-cost 0.5", {"desired-state": "x", "max-cost": 0.5}),
        ("help rules show", {"command": "rules show"}),
        ("pause --help", {"help": True}),
        ("pause -h", {"help": True}),
    ],
)
def test_values_are_parsed(text, values):
    assert parsed(text) == values


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("watch", "cannot run `watch` without LOOP", "usage: watch LOOP"),
        ("watch web db", "cannot understand 'db' after watch", "usage: watch LOOP"),
        ("watch ''", "cannot take an empty LOOP", None),
        ("pause web ''", "cannot take an empty LOOP", None),
        ("pause web --froce", "cannot understand the option --froce of pause", "see `ftl2ctl help pause`"),
        (
            "status --al",
            "cannot understand the option --al of status",
            "did you mean --all? see `ftl2ctl help status`",
        ),
        ("status -x", "cannot understand the option -x of status", "see `ftl2ctl help status`"),
        ("status --all=yes", "cannot take a value for --all", "write --all alone"),
        ("history web -n", "cannot take -n without a value", "write --limit NUMBER"),
        ("history web -n many", "cannot take 'many' for --limit", "it must be a whole number"),
        ("history web -n 0", "cannot take 0 for --limit", "it must be at least 1"),
        ("history web -n 1001", "cannot take 1001 for --limit", "it must be at most 1000"),
        ("answer three", "cannot take 'three' for [PROMPT]", "it must be a whole number"),
        ("submit x --interval 0", "cannot take 0 for --interval", "it must be more than 0"),
        ("submit x --interval nan", "cannot take 'nan' for --interval", "it must be a number"),
        ("submit x --mode twice", "cannot take 'twice' for --mode", "one of: single, continuous"),
        ("rules show", "cannot run `rules show` without RULE", "usage: rules show RULE"),
    ],
)
def test_invalid_arguments_are_refused_with_a_message(text, message, hint):
    with pytest.raises(Problem) as caught:
        parsed(text)
    assert (caught.value.message, caught.value.hint, caught.value.exit_status) == (message, hint, 2)


def test_global_options_may_stand_in_front():
    leading, rest = parsing.leading_options(FTL2CTL, ["--json", "--socket", "/s", "status", "-a"])
    assert (leading.values, rest) == ({"json": True, "socket": "/s"}, ["status", "-a"])
    with pytest.raises(Problem, match="cannot understand the option --all of ftl2ctl"):
        parsing.leading_options(FTL2CTL, ["--all", "status"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("   \n", []),
        ("# a comment", []),
        ("  # another", []),
        ("ftl2ctl pause web", ["pause", "web"]),
        ("answer 3 'it''s #1'", ["answer", "3", "its #1"]),
        ("answer 3 #1", ["answer", "3", "#1"]),
    ],
)
def test_lines_of_a_script_are_parsed(text, words):
    assert tokenizer.split(text) == words


def test_an_open_quotation_mark_is_refused():
    with pytest.raises(Problem, match="cannot understand the line: a quotation mark is not closed"):
        tokenizer.split("answer 3 'yes")


EVERY = [(program, one) for program in (FTL2CTL, FTL2_ENTERPRISE) for one in finder.every_command(program)]


@given(st.sampled_from(EVERY), st.lists(st.text(max_size=8), max_size=6))
def test_any_words_are_parsed_or_refused(of, words):
    program, command = of
    try:
        parsing.parse(program, command, words)
    except Problem as problem:
        status = problem.exit_status
    else:
        status = 2
    assert status == 2
