"""What may come next, for the shell and for the completion files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from ftl2_enterprise.shell import completer, completion
from ftl2_enterprise.shell.completion import Candidate


class Known:
    def loops(self):
        return [Candidate("web", "running"), Candidate("web two", "paused"), Candidate("数据库", "resting")]

    def prompts(self):
        return [Candidate("3", "web: Restart?"), Candidate("12", "db: Drop?")]

    def rules(self):
        return [Candidate("restart_nginx", "")]

    def answers(self, prompt):
        return [Candidate("yes", ""), Candidate("not now", "")] if prompt == 3 else []


def words_for(text: str, *, in_shell: bool = True) -> list[str]:
    *before, start = text.split(" ")
    return [one.word for one in completion.complete(before, start, Known(), in_shell=in_shell).candidates]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pau", ["pause"]),
        ("re", ["resume", "retry", "resources", "reload"]),
        ("rules", ["rules"]),
        ("rules ", ["list", "show", "enable", "disable"]),
        ("rules e", ["enable"]),
        ("rules enable ", ["restart_nginx"]),
        ("pause ", ["web", "web two", "数据库"]),
        ("pause w", ["web", "web two"]),
        ("pause web ", []),
        ("pause web --", ["--json", "--socket", "--help"]),
        ("answer ", ["3", "12"]),
        ("answer 3 ", ["yes", "not now"]),
        ("answer #3 n", ["not now"]),
        ("answer 12 ", []),
        (
            "actions web --state ",
            ["proposed", "running", "succeeded", "failed", "denied", "previewed", "skipped", "unknown"],
        ),
        ("actions web --state=un", ["--state=unknown"]),
        ("actions --limit 3 ", ["web", "web two", "数据库"]),
        ("submit --mode ", ["single", "continuous"]),
        ("submit --mode single --m", ["--model", "--max-cost", "--max-iterations", "--max-ask-delay"]),
        ("submit -s a.b=C --secr", ["--secret"]),
        ("--", ["--json", "--socket", "--help"]),
        ("--json sta", ["status", "start"]),
        ("help ans", ["answer"]),
        ("help rules s", ["show"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("nonsense ", []),
        ("--nonsense ", []),
    ],
)
def test_candidates(text, words):
    assert sorted(words_for(text)) == sorted(words)


def test_commands_of_the_shell_are_offered_in_it_only():
    assert "exit" in words_for("ex")
    assert "exit" not in words_for("ex", in_shell=False)


@pytest.mark.parametrize("text", ["submit -f ", "submit --file ", "--socket ", "submit --policy=a"])
def test_paths_are_left_to_whoever_asks(text):
    *before, start = text.split(" ")
    assert completion.complete(before, start, Known(), in_shell=True).files


@given(st.lists(st.text(max_size=6), max_size=5), st.text(max_size=6))
def test_no_line_is_too_strange_to_be_completed(before, start):
    for one in completion.complete(before, start, Known(), in_shell=True).candidates:
        assert one.word.startswith(start)


def applied(text: str) -> list[str]:
    found = completer.ShellCompleter(Known()).get_completions(Document(text), CompleteEvent())
    return [text[: len(text) + one.start_position] + one.text for one in found]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("pau", ["pause"]),
        ("pause w", ["pause web", "pause 'web two'"]),
        ("pause 'web t", ["pause 'web two'"]),
        ("pause 数", ["pause 数据库"]),
        ("answer 3 'not", ["answer 3 'not now'"]),
        ("ftl2ctl pau", ["ftl2ctl pause"]),
        ("  pau", ["  pause"]),
    ],
)
def test_the_shell_replaces_the_word_that_is_typed(text, lines):
    assert applied(text) == lines


def test_the_shell_completes_paths(tmp_path):
    (tmp_path / "site.yaml").touch()
    assert applied(f"submit -f {tmp_path}/si") == [f"submit -f {tmp_path}/site.yaml"]
    assert applied(f"submit --file={tmp_path}/si") == [f"submit --file={tmp_path}/site.yaml"]


def test_an_answer_is_completed_from_its_options():
    options = completer.AnswerCompleter(Known().answers(3))
    found = options.get_completions(Document("NO"), CompleteEvent())
    assert [one.text for one in found] == ["not now"]
