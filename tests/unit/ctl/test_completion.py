"""What may come next, for the shell and for the completion files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from ftl2_enterprise.ctl import completion
from ftl2_enterprise.ctl.completion import CompletionCandidate
from ftl2_enterprise.ctl.repl import completer
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.protocol.loops.replies import LoopPage, PromptLine, RuleInfo
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules
from ftl2_enterprise.protocol.service.verbs import GetSettings, SettingLine
from tests.support.data.builders import loop_line, prompt


class Known:
    """A service with three loops, two open prompts, a rule and three settings."""

    REPLIES = {
        ListLoops: LoopPage(
            loops=[
                loop_line("web"),
                loop_line("web two", state=LoopState.PAUSED),
                loop_line("数据库", state=LoopState.RESTING),
            ]
        ),
        ListPrompts: [
            PromptLine(loop="web", prompt=prompt(3, options=["yes", "not now"])),
            PromptLine(loop="db", prompt=prompt(12, options=[])),
        ],
        ListRules: [RuleInfo(name="restart_nginx", description="", path="/r", digest="d", enabled=True)],
        GetSettings: [
            SettingLine(key=key, value=1, origin="default") for key in ("log.level", "log.keep", "supervisor.splay")
        ],
    }

    def ask(self, request: Any) -> Any:
        return self.REPLIES[type(request)]


def words_for(text: str, *, in_shell: bool = True) -> list[str]:
    *before, start = text.split(" ")
    return [one.word for one in completion.complete(before, start, Known(), in_shell=in_shell).candidates]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pau", ["pause"]),
        ("re", ["resume", "retry", "resources", "reload", "reject", "revisions"]),
        ("rules", ["rules"]),
        ("rules ", ["list", "show", "enable", "disable"]),
        ("rules e", ["enable"]),
        ("rules enable ", ["restart_nginx"]),
        ("pause ", ["web", "web two", "数据库"]),
        ("pause w", ["web", "web two"]),
        ("pause web ", ["web two", "数据库"]),
        ("pause web web\\ two 数", ["数据库"]),
        ("pause --a", ["--all"]),
        ("cancel web ", []),
        ("pause web --", ["--all", "--json", "--socket", "--timeout", "--help"]),
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
        (
            "submit --mode single --m",
            ["--model", "--max-cost", "--max-tokens", "--max-iterations", "--max-ask-delay"],
        ),
        ("submit -s a.b=C --secr", ["--secret"]),
        ("--", ["--json", "--socket", "--timeout", "--help"]),
        ("--json sta", ["status", "start"]),
        ("help ans", ["answer"]),
        ("help rules s", ["show"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("settings ", ["log", "supervisor", "log.level", "log.keep", "supervisor.splay"]),
        ("settings log.", ["log.level", "log.keep"]),
        ("nonsense ", []),
        ("--nonsense ", []),
    ],
)
def test_completion_offers_the_candidates_of_a_position(text, words):
    assert sorted(words_for(text)) == sorted(words)


def test_commands_of_the_shell_are_offered_in_it_only():
    assert "exit" in words_for("ex")
    assert "exit" not in words_for("ex", in_shell=False)


@pytest.mark.parametrize("text", ["submit -f ", "submit --file ", "--socket ", "submit --policy=a"])
def test_file_names_are_left_to_the_caller(text):
    *before, start = text.split(" ")
    assert completion.complete(before, start, Known(), in_shell=True).files


@given(st.lists(st.text(max_size=6), max_size=5), st.text(max_size=6))
def test_any_line_can_be_completed(before, start):
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


def test_the_shell_completes_manifests_where_a_desired_state_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("hello.yaml", "hello.txt", "helper.yml"):
        (tmp_path / name).touch()
    (tmp_path / "hell").mkdir()
    assert applied("submit hel") == ["submit hell", "submit hello.yaml", "submit helper.yml"]
    assert applied("submit --mode single hello") == ["submit --mode single hello.yaml"]
    assert applied("submit nginx hel") == []


LOOPS = [
    loop_line("running"),
    loop_line("starting", state=LoopState.PENDING),
    loop_line("resting", state=LoopState.RESTING),
    loop_line("waiting", state=LoopState.WAITING),
    loop_line("pausing", desired=Desired.PAUSE),
    loop_line("paused", state=LoopState.PAUSED, desired=Desired.PAUSE),
    loop_line("stopped", state=LoopState.PAUSED, desired=Desired.STOP),
    loop_line("cancelling", desired=Desired.CANCEL),
    loop_line("blocked", state=LoopState.BLOCKED),
    loop_line("failed", state=LoopState.FAILED),
    loop_line("completed", state=LoopState.COMPLETED),
    loop_line("cancelled", state=LoopState.CANCELLED),
    loop_line("foreground", managed=False),
    loop_line("left", managed=False, pid=None),
]


@pytest.mark.parametrize(
    ("command", "offered"),
    [
        ("start", "pausing paused stopped blocked failed left"),
        ("pause", "running starting resting waiting foreground left"),
        ("resume", "pausing paused stopped left"),
        ("stop", "running starting resting waiting pausing cancelling foreground left"),
        (
            "cancel",
            "running starting resting waiting pausing paused stopped cancelling blocked foreground left",
        ),
        ("retry", "blocked failed"),
        ("run-now", "resting"),
        ("delete", "failed completed cancelled"),
        ("show", " ".join(one.name for one in LOOPS)),
    ],
)
def test_only_loops_that_a_command_applies_to_are_offered(command, offered):
    class Listed(Known):
        REPLIES = {ListLoops: LoopPage(loops=LOOPS)}

    for in_shell in (True, False):
        found = completion.complete([command], "", Listed(), in_shell=in_shell).candidates
        assert [one.word for one in found] == offered.split()


def test_an_answer_is_completed_from_its_options():
    options = completer.AnswerCompleter([CompletionCandidate("yes"), CompletionCandidate("not now")])
    found = options.get_completions(Document("NO"), CompleteEvent())
    assert [one.text for one in found] == ["not now"]
