"""One-shot commands of ftl2ctl: the request that a line makes, and what comes out, against a scripted service."""

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.clock import iso
from ftl2_enterprise.core.problem import Code, Problem, conflict, not_found
from ftl2_enterprise.ctl import main as ctl_main
from ftl2_enterprise.protocol.loops.facts import (
    ActionStarted,
    ActionSucceeded,
    IterationStarted,
    LoopAsked,
    LoopCompleted,
    LoopFailed,
)
from ftl2_enterprise.protocol.loops.hosts import Host, HostState, Resource
from ftl2_enterprise.protocol.loops.nouns import (
    Action,
    ActionState,
    Desired,
    IterationOutcome,
    LoopState,
    Mode,
    Outcome,
    PromptState,
    StoredText,
)
from ftl2_enterprise.protocol.loops.replies import (
    ActionPage,
    Deleted,
    History,
    HostLine,
    LoopDetail,
    LoopPage,
    ProcessInfo,
    PromptDetail,
    PromptLine,
    ResourceLine,
    RuleDetail,
    RuleInfo,
    WholeText,
)
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    CancelLoop,
    DeleteLoop,
    DisableRule,
    DismissPrompt,
    EnableRule,
    GetHistory,
    GetText,
    ListActions,
    ListHosts,
    ListLoops,
    ListPrompts,
    ListResources,
    ListRules,
    PauseLoop,
    ResumeLoop,
    RetryLoop,
    RunLoopNow,
    ShowLoop,
    ShowPrompt,
    ShowRule,
    StartLoop,
    StopLoop,
    SubmitLoop,
)
from ftl2_enterprise.protocol.service.verbs import (
    Accepted,
    EventPage,
    GetHealth,
    GetSettings,
    GetVersion,
    Health,
    ListEvents,
    LogLine,
    ProcessHealth,
    Reload,
    Reloaded,
    SettingLine,
    Shutdown,
    Upgrade,
    VersionInfo,
    WatchEvents,
    WatchLogs,
)
from tests.support import builders
from tests.support.scripted_service import ScriptedService, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type Ctl = Callable[..., tuple[int, str, str]]


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    # Short: the path of a socket has at most 107 bytes, and a message with it is to stay on its line.
    with TemporaryDirectory(prefix="ctl-") as directory, ScriptedService(Path(directory) / "s") as found:
        yield found


@pytest.fixture
def ctl(service: ScriptedService, capsys, monkeypatch) -> Ctl:
    """Run a command line; its status and what it wrote to both streams."""
    monkeypatch.setenv("FTL2CTL_SOCKET", str(service.path))

    def run(*words: str, stdin: str | None = None) -> tuple[int, str, str]:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = ctl_main.main(list(words))
        out, err = capsys.readouterr()
        return status, out, err

    return run


def converges(service: ScriptedService) -> None:
    """The loop runs when it is looked at for the first time, and has converged after that."""
    done = builders.loop(state=LoopState.COMPLETED, outcome=Outcome.CONVERGED)
    states = iter([builders.loop()])
    service.on(
        ShowLoop, lambda _request: LoopDetail(loop=next(states, done), process=None, open_prompts=[], last=None)
    )


ACTION = Action(
    id=7,
    loop_id=1,
    iteration_id=12,
    n=1,
    host="db1",
    target="db",
    module="ansible.builtin.service",
    params={"name": "nginx"},
    origin="decision",
    state=ActionState.FAILED,
    changed=None,
    rc=1,
    stdout=StoredText(shown="out...", digest="abc123", size=9000),
    stderr=StoredText(shown="no such unit"),
    output=StoredText(),
    error="it failed",
    started_at=builders.ago(30),
    ended_at=builders.ago(28),
)
RULE = RuleInfo(
    name="mend",
    description="mends it",
    path="/r/mend.py",
    digest="d",
    enabled=True,
    fired=2,
    last_fired_at=builders.ago(90),
)

# --- status --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("status", "-n", "1"), "ftl2ctl status --limit 1000"),
        (("status", "--all", "-n", "1"), "ftl2ctl status --all --limit 1000"),
        (("list", "-a", "-n", "200"), "ftl2ctl status --all --limit 2000"),
    ],
)
def test_more_of_the_same_list_is_offered(service, ctl, words, more):
    service.on(ListLoops, lambda request: LoopPage(loops=[builders.loop_line()] * request.limit, more=4))
    assert ctl(*words)[1].splitlines()[-1] == f"there are more: {more}"


def test_status_lists_loops_and_open_prompts(service, ctl):
    service.on(ListLoops, LoopPage(loops=[builders.loop_line("web", open_prompts=1, state=LoopState.WAITING)]))
    service.on(ListPrompts, [PromptLine(prompt=builders.prompt(3), loop="web")])
    status, out, err = ctl("status")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "1 loop: 1 waiting for you"
    assert "Restart nginx now?" in out
    assert "-> ftl2ctl answer 3" in out
    assert service.asked_for(ListLoops) == [ListLoops(finished=False)]


def test_status_in_json_is_one_document_with_iso_times(service, ctl):
    service.on(ListLoops, LoopPage(loops=[builders.loop_line("web")]))
    status, out, _ = ctl("status", "--json")
    document = json.loads(out)
    assert status == 0
    assert set(document) == {"loops", "more", "draining"}
    assert document["loops"][0]["name"] == "web"
    assert document["loops"][0]["updated_at"].endswith("Z")


def test_status_reads_every_page(service, ctl):
    pages = {
        None: LoopPage(loops=[builders.loop_line("a", id=9)], more=9),
        9: LoopPage(loops=[builders.loop_line("b", id=8)]),
    }
    service.on(ListLoops, lambda request: pages[request.before])
    _, out, _ = ctl("status", "--all", "--json")
    assert [loop["name"] for loop in json.loads(out)["loops"]] == ["a", "b"]
    _, out, _ = ctl("status", "-n", "1", "--json")
    assert json.loads(out)["more"] == 9


def test_nothing_to_show_says_what_to_do(service, ctl):
    service.on(ListLoops, LoopPage(loops=[]))
    assert ctl("status")[1] == "no loops yet: ftl2ctl submit -f FILE\n"
    service.on(ListLoops, lambda request: LoopPage(loops=[builders.loop_line()] if request.finished else []))
    assert "ftl2ctl status --all" in ctl("status")[1]


def test_status_of_one_loop_is_show(service, ctl):
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=None))
    assert ctl("status", "web")[1] == ctl("show", "web")[1]


def test_status_cannot_stay_without_a_terminal(service, ctl):
    status, _, err = ctl("status", "--watch")
    assert status == 2
    assert "cannot stay and show the loops: this is no terminal" in err


# --- one loop ------------------------------------------------------------------------------------------------------


def test_show_tells_what_a_loop_is_and_does(service, ctl):
    loop = builders.loop(
        submitted_by="ada", crashes=2, crashes_since=builders.ago(60), cost_usd=0.5, model_call_count=3
    )
    last = builders.iteration(outcome=IterationOutcome.ACTED, reasoning="nginx was not running")
    process = ProcessInfo(pid=4711, started_at=builders.ago(400))
    service.on(ShowLoop, LoopDetail(loop=loop, process=process, open_prompts=[builders.prompt()], last=last))
    done = builders.changed(ACTION, state=ActionState.SUCCEEDED, changed=True, rc=0, error=None, iteration_id=last.id)
    many = [builders.changed(done, id=n, n=n) for n in range(1, 13)]
    service.on(GetHistory, History(loop=loop, iterations=[last], actions=many, more=None))
    status, out, _ = ctl("show", "web")
    assert status == 0
    for text in (
        "pid 4711",
        "by ada",
        "2 since",
        "3 model calls for $0.5",
        "nginx was not running",
        "after 2 actions before these",
        " 3. ansible.builtin.service on db1",
        " 12. ansible.builtin.service on db1",
        "Restart nginx now?",
    ):
        assert text in out
    assert "ftl2ctl answer 3" in out
    assert service.asked_for(ShowLoop)[-1].loop == "web"


@pytest.mark.parametrize(
    ("word", "verb", "loop", "told"),
    [
        ("start", StartLoop, builders.loop(state=LoopState.PENDING), "web: starting"),
        (
            "pause",
            PauseLoop,
            builders.loop(desired=Desired.PAUSE),
            "web: pausing (it finishes the step in hand first)",
        ),
        ("pause", PauseLoop, builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED), "web: paused"),
        ("resume", ResumeLoop, builders.loop(), "web: running"),
        ("stop", StopLoop, builders.loop(desired=Desired.STOP), "web: stopping"),
        (
            "cancel",
            CancelLoop,
            builders.loop(desired=Desired.CANCEL),
            "web: cancelling (it finishes the step in hand first)",
        ),
        ("cancel", CancelLoop, builders.loop(state=LoopState.CANCELLED, outcome=Outcome.CANCELLED), "web: cancelled"),
        ("retry", RetryLoop, builders.loop(), "web: running"),
        (
            "run-now",
            RunLoopNow,
            builders.loop(state=LoopState.RESTING, next_run_at=builders.ago(1)),
            "web: resting (next look now)",
        ),
    ],
)
def test_steering(service, ctl, word, verb, loop, told):
    service.on(verb, loop)
    assert ctl(word, "web") == (0, f"{told}\n", "")
    assert service.asked_for(verb)[0].loop == "web"
    status, out, _ = ctl(word, "web", "--json")
    assert (status, json.loads(out)["name"]) == (0, "web")


STANDING = [
    builders.loop_line("rests", id=6, state=LoopState.RESTING),
    builders.loop_line("paused", id=5, state=LoopState.PAUSED, desired=Desired.PAUSE),
    builders.loop_line("left", id=4, managed=False, pid=None),
    builders.loop_line("failed", id=3, state=LoopState.FAILED),
    builders.loop_line("cancelling", id=2, desired=Desired.CANCEL),
    builders.loop_line("runs", id=1),
]


@pytest.mark.parametrize(
    ("command", "verb", "ids"),
    [("pause", PauseLoop, ["1", "6"]), ("stop", StopLoop, ["1", "2", "6"]), ("resume", ResumeLoop, ["5"])],
)
def test_all_loops_that_a_command_is_about(service, ctl, command, verb, ids):
    service.on(ListLoops, LoopPage(loops=STANDING))
    service.on(verb, lambda request: builders.loop(f"loop-{request.loop}"))
    status, out, err = ctl(command, "--all")
    assert (status, err) == (0, "")
    assert [one.loop for one in service.asked_for(verb)] == ids
    assert [text.partition(":")[0] for text in out.splitlines()] == [f"loop-{number}" for number in ids]


def test_several_loops_are_all_tried(service, ctl):
    def pause(request: PauseLoop):
        if request.loop == "db":
            raise conflict("cannot pause db: it is completed", "nothing of it runs")
        if request.loop == "wbe":
            raise not_found("cannot find a loop 'wbe'")
        return builders.loop(request.loop, state=LoopState.PAUSED, desired=Desired.PAUSE)

    service.on(PauseLoop, pause)
    status, out, err = ctl("pause", "web", "db", "wbe", "web", "mail")
    assert (status, out) == (75, "web: paused\nmail: paused\n")
    assert err == (
        "error: cannot pause db: it is completed\nhint: nothing of it runs\nerror: cannot find a loop 'wbe'\n"
    )
    status, out, _ = ctl("pause", "web", "db", "mail", "--json")
    told = [json.loads(text) for text in out.splitlines()]
    assert status == 75
    assert [one.get("name") for one in told] == ["web", None, "mail"]
    assert told[1] == {
        "loop": "db",
        "error": {"code": "conflict", "message": "cannot pause db: it is completed", "hint": "nothing of it runs"},
        "exit_status": 75,
    }


def test_who_may_not_is_told_so_once(service, ctl):
    def refuse(_request: PauseLoop):
        raise Problem(Code.DENIED, "cannot do loop.pause: it needs access operate")

    service.on(PauseLoop, refuse)
    status, _, err = ctl("pause", "web", "db")
    assert (status, err) == (4, "error: cannot do pause: it needs access operate\n")


def test_a_service_that_was_away_is_asked_for_the_next_loop(service, ctl):
    def pause(request: PauseLoop):
        if request.loop == "web":
            raise Problem(Code.UNAVAILABLE, "cannot write: the disk is full")
        return builders.loop(request.loop, state=LoopState.PAUSED, desired=Desired.PAUSE)

    service.on(PauseLoop, pause)
    assert ctl("pause", "web", "db") == (69, "db: paused\n", "error: cannot write: the disk is full\n")


def test_no_loop_is_no_failure(service, ctl):
    service.on(ListLoops, LoopPage(loops=[]))
    assert ctl("stop", "--all") == (0, "no loop to stop\n", "")
    assert ctl("stop", "--all", "--json") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause"], "cannot run `pause` without LOOP"),
        (["pause", "--all", "web"], "cannot pause --all and 'web'"),
        (["resume", "--all", "--wait"], "cannot wait for several loops"),
        (["pause", "web", " "], "cannot take an empty LOOP"),
    ],
)
def test_which_loops_are_meant_has_to_be_clear(service, ctl, words, said):
    status, out, err = ctl(*words)
    assert (status, out) == (2, "")
    assert said in err


def test_delete_wants_to_be_sure(service, ctl):
    service.on(DeleteLoop, Deleted(id=1, name="web"))
    status, _, err = ctl("delete", "web", stdin="y\n")
    assert status == 2
    assert "nobody can be asked here" in err
    assert not service.asked_for(DeleteLoop)
    assert ctl("delete", "web", "--yes") == (0, "web: deleted, with its history\n", "")


def test_history_with_actions(service, ctl):
    service.on(
        GetHistory,
        History(
            loop=builders.loop(),
            iterations=[builders.iteration(outcome=IterationOutcome.ACTED)],
            actions=[ACTION],
            more=12,
        ),
    )
    service.on(
        ListPrompts, [PromptLine(prompt=builders.prompt(state=PromptState.ANSWERED, answer="yes"), loop="web")]
    )
    status, out, _ = ctl("history", "web", "--actions", "-n", "3")
    assert status == 0
    assert "iteration 12" in out
    assert "FAILED" in out
    assert "| no such unit" in out
    assert "Restart nginx now? -> yes" in out
    assert "ftl2ctl history web --before 12 --actions" in out
    assert service.asked_for(GetHistory)[0] == GetHistory(loop="web", actions=True, limit=3)


def test_actions_and_their_output(service, ctl):
    service.on(ListActions, ActionPage(actions=[ACTION], more=7))
    status, out, _ = ctl("actions", "web", "--state", "failed")
    assert status == 0
    assert "ftl2ctl output abc123" in out
    assert "ftl2ctl actions web --before 7" in out
    assert service.asked_for(ListActions)[0].state is ActionState.FAILED
    service.on(GetText, lambda request: WholeText(digest=request.digest, text="line\n\x1b[31mred"))
    # Not to a terminal: it is given as it is.
    assert ctl("output", "abc123")[1] == "line\n\x1b[31mred"
    service.on(ListActions, ActionPage(actions=[]))
    assert ctl("actions", "web", "-s", "unknown")[1] == "no actions of web that are unknown\n"


def test_what_is_known(service, ctl):
    host = Host(
        id=1,
        loop_id=1,
        name="db1",
        ansible_host="10.0.0.1",
        ansible_port=2222,
        ansible_user="root",
        groups=["db"],
        facts={"system": "Linux"},
        state=HostState.KNOWN,
        created_at=builders.ago(10),
        updated_at=builders.ago(10),
    )
    service.on(ListHosts, [HostLine(host=host, loop="web")])
    out = ctl("hosts", "web")[1]
    assert all(text in out for text in ("db1", "root@10.0.0.1:2222", "system=Linux"))
    resource = Resource(id=1, loop_id=1, name="vm", data={"ip": "::1"}, created_at=1, updated_at=builders.ago(5))
    service.on(ListResources, [ResourceLine(resource=resource, loop="web")])
    assert "ip=::1" in ctl("resources")[1]
    assert json.loads(ctl("resources", "--json")[1])[0]["resource"]["created_at"].startswith("1970-01-01T")
    service.on(ListHosts, [])
    assert ctl("hosts")[1].startswith("no hosts: listed are those that a loop has made or added itself")
    service.on(ListResources, [])
    assert ctl("resources")[1].startswith("no resources: listed are the machines that a loop has made")


# --- prompts -------------------------------------------------------------------------------------------------------


def test_answering_in_one_line(service, ctl):
    service.on(
        AnswerPrompt,
        lambda request: builders.prompt(
            request.prompt, state=PromptState.ANSWERED, answer=request.answer, answered_by="ada"
        ),
    )
    assert ctl("answer", "3", "on", "disk", "2") == (0, "  answered: on disk 2 (by ada)\n", "")
    assert service.asked_for(AnswerPrompt)[0] == AnswerPrompt(prompt=3, answer="on disk 2")


def test_answering_needs_somebody_to_ask(service, ctl):
    status, _, err = ctl("answer", "3", stdin="yes\n")
    assert status == 2
    assert "cannot answer without an answer: nobody can be asked here" in err
    for words in (("1",), ("1", "--wait")):
        assert ctl("answer", *words, stdin="")[2].endswith("hint: give the answer too: `ftl2ctl answer 1 ANSWER`\n")
    hint = "hint: give prompt and answer: `ftl2ctl answer PROMPT ANSWER`\n"
    assert ctl("answer", stdin="")[2].endswith(hint)
    assert not service.asked


@pytest.mark.parametrize("word", ["exit", "clear", "quit"])
def test_what_only_the_shell_has(ctl, word):
    assert ctl(word) == (
        2, "", f"error: cannot run '{word}' here: it is for the shell only\nhint: `ftl2ctl` alone begins the shell\n"
    )  # fmt: skip


def test_a_refused_answer(service, ctl):
    def refuse(_request: AnswerPrompt) -> None:
        raise conflict("cannot answer prompt 3: it is answered", "ftl2ctl prompts lists those that are open")

    service.on(AnswerPrompt, refuse)
    status, out, err = ctl("answer", "3", "yes", "--json")
    assert status == 75
    assert json.loads(out) == {
        "error": {
            "code": "conflict",
            "message": "cannot answer prompt 3: it is answered",
            "hint": "ftl2ctl prompts lists those that are open",
        },
        "exit_status": 75,
    }
    assert "error: cannot answer prompt 3" in err


def test_prompts_and_dismissing(service, ctl):
    service.on(
        ListPrompts,
        [PromptLine(prompt=builders.prompt(4), loop="db"), PromptLine(prompt=builders.prompt(3), loop="web")],
    )
    out = ctl("prompts")[1]
    assert "yes | no" in out
    service.on(DismissPrompt, builders.prompt(3, state=PromptState.DISMISSED))
    assert ctl("dismiss", "3")[1] == "prompt 3: dismissed; the decider is told that nobody answers\n"
    taken = builders.prompt(
        3, state=PromptState.ANSWERED, answer="no", answered_by="default, dismissed by eva (uid 1000)"
    )
    service.on(DismissPrompt, taken)
    assert ctl("dismiss", "3")[1] == "prompt 3: dismissed; the loop goes on with the default: no\n"
    service.on(ListPrompts, [])
    assert ctl("prompts")[1] == "no open prompts: no loop waits for you\n"


# --- rules ---------------------------------------------------------------------------------------------------------


def test_rules(service, ctl):
    service.on(ListRules, [RULE])
    assert ctl("rules")[1] == ctl("rules", "list")[1]
    assert "mends it" in ctl("rules")[1]
    service.on(ShowRule, RuleDetail(rule=RULE, source="def condition(): ...\n"))
    assert ctl("rules", "show", "mend")[1].endswith("\n\ndef condition(): ...\n")
    service.on(DisableRule, lambda request: builders.changed(RULE, enabled=False, name=request.rule))
    assert ctl("rules", "disable", "mend")[1] == "mend: off (fires in no loop until it is enabled)\n"
    service.on(EnableRule, RULE)
    assert ctl("rules", "enable", "mend")[1] == "mend: on (fires again)\n"
    service.on(ListRules, [])
    assert ctl("rules")[1].startswith("no rules: ")


# --- events and logs -----------------------------------------------------------------------------------------------


def test_events_from_a_cursor(service, ctl):
    page = EventPage(
        events=[builders.event(5, LoopFailed, reason="no way"), builders.event(6, "service.started", "")],
        cursor=6,
    )
    service.on(ListEvents, page)
    service.on(ListLoops, LoopPage(loops=[builders.loop_line("web")]))
    out = ctl("events", "--after", "4")[1]
    assert 'web loop.failed reason="no way"' in out
    assert "service.started" in out
    assert service.asked_for(ListEvents)[0] == ListEvents(after=4, limit=30)
    document = json.loads(ctl("events", "--json")[1])
    assert [one["id"] for one in document["events"]] == [5, 6]
    assert [one["at"] for one in document["events"]] == [iso(builders.event(5, "a.b").at)] * 2
    assert document["cursor"] == 6
    assert service.asked_for(ListEvents)[-1].newest


def test_a_loop_that_is_not_listed_is_asked_for_once(service, ctl):
    def loop(request):
        if request.loop == "8":
            raise not_found("cannot find the loop 8")
        return LoopDetail(loop=builders.loop("old", id=7), process=None, open_prompts=[], last=None)

    told = [builders.event(number, "a.b", subject=f"loop:{number % 2 + 7}") for number in range(10)]
    service.on(ListEvents, EventPage(events=told, cursor=9))
    service.on(ListLoops, LoopPage(loops=[]))
    service.on(ShowLoop, loop)
    lines = ctl("events")[1].splitlines()
    assert [("old" in line, "loop 8" in line) for line in lines] == [(True, False), (False, True)] * 5
    assert [len(service.asked_for(verb)) for verb in (ListLoops, ShowLoop)] == [1, 2]


def test_events_to_come_are_lines_of_json(service, ctl):
    service.on(ListEvents, EventPage(events=[builders.event(5, "a.b")], cursor=5))

    def items(request: WatchEvents) -> list[Any]:
        if request.after == 7:
            raise Problem(Code.DENIED, "cannot go on: that is all")
        return [builders.event(6, "c.d"), builders.event(7, "e.f")]

    service.on(WatchEvents, items)
    status, out, _ = ctl("events", "--follow", "--json")
    lines = [json.loads(text) for text in out.splitlines()[:3]]
    assert [one["id"] for one in lines] == [5, 6, 7]
    assert status == 4
    assert [request.after for request in service.asked_for(WatchEvents)] == [5, 7]


def test_following_a_log_survives_a_restart_of_the_service(service, ctl):
    def logged(at: int, message: str) -> LogLine:
        return LogLine(at=at, level="info", message=message, source="control")

    log = [logged(1, "a"), logged(2, "b"), logged(2, "c"), logged(3, "d"), logged(4, "e")]

    def found(request: WatchLogs) -> list[LogLine]:
        # The first two watches are ended by the service.
        times = len(service.asked_for(WatchLogs))
        if times == 3:
            raise not_found("cannot find the loop", "that ends it")
        return log[:2] if times == 1 else log

    service.on(WatchLogs, found)
    status, out, _ = ctl("logs", "-f", "-n", "5")
    assert status == 2
    shown = [text.partition("control: ")[2] or text for text in out.splitlines()]
    again = ["the service is unreachable: trying again", "the service is back"]
    assert shown == ["a", "b", *again, "c", "d", "e", *again]
    assert [request.last for request in service.asked_for(WatchLogs)] == [5, 1000, 1000]


def test_a_service_that_is_not_there_is_not_waited_for_with_a_log(service, ctl):
    service.stop()
    assert ctl("logs", "-f")[0] == 69


def test_logs(service, ctl):
    line = LogLine(at=builders.NOW, level="error", message="gone\x1b[2J", source="loop:web", fields={"action": 7})
    service.on(WatchLogs, [line])
    status, out, _ = ctl("logs", "web", "-n", "5")
    assert status == 0
    assert out.endswith("error loop:web: gone action=7\n")
    assert service.asked_for(WatchLogs)[0] == WatchLogs(loop="web", last=5)
    assert json.loads(ctl("logs", "--json")[1])["fields"] == {"action": 7}
    fields = {"event": 12, "loop": "web", "loop_id": 1, "iteration": 3, "reasoning": "nginx is down", "rc": 1}
    service.on(WatchLogs, [builders.changed(line, level="debug", message="iteration.decided", fields=fields)])
    assert ctl("logs", "web")[1].endswith('Z loop:web: iteration.decided reasoning="nginx is down" rc=1\n')
    assert json.loads(ctl("logs", "--json")[1])["level"] == "debug"
    service.on(WatchLogs, [])
    assert ctl("logs")[1] == "the log is empty\n"


def test_a_manifest_comes_from_standard_input(service, ctl, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("version: 1\n# ü\n".encode()), encoding="ascii"))
    service.on(GetSettings, [])
    service.on(SubmitLoop, builders.loop())
    assert ctl("submit", "-f", "-")[0] == 0
    spec = service.asked_for(SubmitLoop)[0].spec
    # Files that it names are found from here.
    assert (spec.desired_state, spec.source) == ("version: 1\n# ü\n", str(tmp_path / "-"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"", "error: cannot take an empty desired state\nhint: say what should be true\n"),
        (b"\xff\n", "error: cannot read standard input: it is not UTF-8 text\n"),
        (None, "error: cannot read standard input: it is closed\nhint: give a file with -f FILE\n"),
    ],
)
def test_a_standard_input_that_holds_no_manifest_is_refused(service, ctl, monkeypatch, given, told):
    monkeypatch.setattr("sys.stdin", None if given is None else io.TextIOWrapper(io.BytesIO(given)))
    assert ctl("submit", "-f", "-") == (2, "", told)
    assert not service.asked_for(SubmitLoop)


def test_an_empty_name_is_refused(service, ctl):
    status, _, err = ctl("submit", "nginx runs", "--name", "")
    assert (status, err) == (2, "error: cannot take an empty --name\nhint: leave it out, and a name is made\n")
    assert not service.asked_for(SubmitLoop)


def test_history_of_changes_is_looked_for_until_the_page_is_full(service, ctl):
    def page(request: GetHistory) -> History:
        first = request.before is None
        found = (
            [builders.iteration(n=90, id=90)]
            if first
            else [builders.iteration(n=3, id=3), builders.iteration(n=5, id=5)]
        )
        return History(loop=builders.loop(), iterations=found, more=50 if first else 3)

    service.on(GetHistory, page)
    service.on(ListPrompts, [])
    out = ctl("history", "web", "--changed", "-n", "3")[1]
    assert [one.split()[1] for one in out.splitlines() if one.startswith("iteration ")] == ["3", "5", "90"]
    assert out.splitlines()[-1] == "earlier ones: ftl2ctl history web --before 3 --changed"
    assert [(one.before, one.limit, one.changed) for one in service.asked_for(GetHistory)] == [
        (None, 3, True),
        (50, 2, True),
    ]
    service.on(GetHistory, History(loop=builders.loop(), iterations=[], more=None))
    assert "no iteration changed anything, failed or asked" in ctl("history", "web", "--changed")[1]


# --- the service ---------------------------------------------------------------------------------------------------


def health(**fields: Any) -> Health:
    given: dict[str, Any] = {
        "ok": True,
        "problems": [],
        "status": "12 running",
        "processes": [ProcessHealth(name="writer", pid=5, since=builders.ago(9), restarts=1)],
        "counts": {"running": 12},
        "writer_latency": 0.002,
        "looked_at": builders.ago(1),
        "started_at": builders.ago(100),
        "draining": False,
        "database": "/var/lib/x.db",
        "socket": "/run/x.sock",
    }
    return Health(**(given | fields))


def test_health_is_a_status(service, ctl):
    service.on(GetHealth, health())
    status, out, _ = ctl("health")
    assert status == 0
    assert out.startswith("the service is well: 12 running\n")
    service.on(GetHealth, health(ok=False, problems=["the writer does not answer"]))
    status, out, _ = ctl("health")
    assert status == 1
    assert "the writer does not answer" in out
    status, out, _ = ctl("health", "--json")
    assert status == 1
    assert {one["since"] for one in json.loads(out)["processes"]} == {iso(one.since) for one in health().processes}


def test_settings(service, ctl):
    lines = [
        SettingLine(key="loops.interval", value=60.0, origin="default"),
        SettingLine(key="log.level", value="info", origin="/etc/x"),
    ]
    service.on(GetSettings, lines)
    assert ctl("settings")[1].splitlines()[2].split() == ["log.level", "info", "/etc/x"]
    assert [one["key"] for one in json.loads(ctl("settings", "loops", "--json")[1])] == ["loops.interval"]
    status, _, err = ctl("settings", "loops.intervall")
    assert status == 2
    assert "did you mean loops.interval?" in err


def test_its_life(service, ctl):
    service.on(Shutdown, lambda request: Accepted(message="now" if request.now else "draining"))
    assert ctl("shutdown")[1] == "draining\n"
    assert ctl("shutdown", "--now")[1] == "now\n"
    service.on(Upgrade, Accepted(message="replacing itself"))
    assert ctl("upgrade")[1] == "replacing itself\n"
    service.on(Reload, Reloaded(changed=["log.level", "store.path"], need_restart=["store.path"]))
    out = ctl("reload")[1]
    assert "2 values changed: log.level, store.path" in out
    assert "only after a restart: store.path" in out


def test_versions(service, ctl):
    service.on(GetVersion, VersionInfo(program="9.9", protocol=1, python="3.13", schema="0002"))
    assert "service 9.9 (protocol 1, Python 3.13, schema 0002)" in ctl("version")[1]
    assert "service" not in ctl("--version")[1]


# --- submitting ----------------------------------------------------------------------------------------------------

SETTINGS = [
    SettingLine(key="loops.interval", value=45.0, origin="file"),
    SettingLine(key="loops.max_iterations", value=7, origin="file"),
]


def test_a_file_is_read_here_and_paths_become_absolute(service, ctl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yaml").write_text("version: 1\n")
    service.on(GetSettings, SETTINGS)
    service.on(SubmitLoop, builders.loop("site", state=LoopState.PENDING))
    status, out, _ = ctl(
        "submit", "-f", "site.yaml", "-i", "hosts", "--policy", "/p", "--mode", "continuous", "-s", "a.b=C"
    )
    assert (status, out) == (0, "site: starting\n  follow: ftl2ctl watch site\n")
    spec = service.asked_for(SubmitLoop)[0].spec
    assert spec.desired_state == "version: 1\n"
    assert spec.source == str(tmp_path / "site.yaml")
    assert (spec.inventory, spec.policy) == (str(tmp_path / "hosts"), "/p")
    assert (spec.mode, spec.secrets, spec.name) == (Mode.CONTINUOUS, ["a.b=C"], "")
    assert (spec.interval, spec.max_iterations, spec.action_timeout) == (45.0, 7, 300.0)


def test_what_is_given_wins_over_the_settings(service, ctl):
    service.on(GetSettings, SETTINGS)
    service.on(SubmitLoop, builders.loop("site", state=LoopState.PENDING))
    ctl(
        "submit",
        "nginx",
        "runs",
        "-n",
        "web",
        "--mode",
        "continuous",
        "--interval",
        "5",
        "--paused",
        "--priority",
        "9",
        "--dry-run",
    )
    request = service.asked_for(SubmitLoop)[0]
    assert (request.spec.desired_state, request.spec.name, request.spec.interval) == ("nginx runs", "web", 5.0)
    assert (request.paused, request.priority, request.spec.dry_run) == (True, 9, True)


def test_a_loop_beside_the_one_that_has_the_name_says_so(service, ctl, tmp_path):
    (tmp_path / "web.yaml").write_text("version: 1\n")
    service.on(GetSettings, SETTINGS)
    service.on(SubmitLoop, builders.loop("web-2", state=LoopState.PENDING))
    there = LoopDetail(loop=builders.loop("web", state=LoopState.RESTING), process=None, open_prompts=[], last=None)
    service.on(ShowLoop, there)
    assert ctl("submit", "-f", str(tmp_path / "web.yaml"))[1].splitlines() == [
        "web-2: starting",
        "  beside it: web (resting)",
        "  to end that one: ftl2ctl cancel web",
        "  follow: ftl2ctl watch web-2",
    ]
    assert "beside" not in ctl("submit", "-f", str(tmp_path / "web.yaml"), "-n", "web-2")[1]

    def nobody(request):
        raise not_found("cannot find it")

    service.on(ShowLoop, nobody)
    assert "beside" not in ctl("submit", "-f", str(tmp_path / "web.yaml"))[1]


def test_a_refusal_names_the_command_that_was_typed(service, ctl):
    def refuse(request):
        raise Problem(Code.DENIED, "cannot do loop.pause: it needs access to operate, and mallory has none")

    service.on(PauseLoop, refuse)
    assert ctl("pause", "web")[2] == "error: cannot do pause: it needs access to operate, and mallory has none\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["submit"], "cannot take a desired state: there is none"),
        (["submit", "x", "-f", "y"], "cannot take a desired state: there are two"),
        (["submit", "-f", "/nowhere/site.yaml"], "cannot read /nowhere/site.yaml: there is no such file"),
        (["submit", " "], "cannot take an empty desired state"),
        (["submit", "x", "--interval", "5"], "cannot use --interval: the loop runs once"),
    ],
)
def test_what_cannot_be_submitted(service, ctl, words, message):
    status, _, err = ctl(*words)
    assert status == 2
    assert message in err
    assert not service.asked


def test_waiting_ends_with_the_status_of_the_loop(service, ctl):
    service.on(GetSettings, SETTINGS)
    events = Stream([builders.event(101, IterationStarted, n=1, in_run=1, of=10), builders.event(102, LoopFailed)])
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, events)
    service.on(SubmitLoop, builders.loop("web", state=LoopState.PENDING))
    ended = builders.loop("web", state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="1 was not enough")
    service.on(ShowLoop, LoopDetail(loop=ended, process=None, open_prompts=[], last=None))
    status, out, _ = ctl("submit", "x", "--wait")
    assert status == 1
    assert out.splitlines() == [
        "web: starting",
        "iteration 1 (1 of 10)",
        "not converged: loop web: 1 was not enough",
    ]
    assert service.asked_for(WatchEvents)[0].after == 100


def test_a_loop_that_asks_is_left_with_the_numbers_of_its_own_prompts(service, ctl):
    service.on(GetSettings, SETTINGS)
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, Stream([builders.event(101, LoopAsked)]))
    service.on(SubmitLoop, builders.loop(state=LoopState.PENDING))
    asking = builders.loop(state=LoopState.WAITING, open_prompts=2)
    prompts = [builders.prompt(26), builders.prompt(25)]
    service.on(ShowLoop, LoopDetail(loop=asking, process=None, open_prompts=prompts, last=None))
    out = ctl("submit", "x", "--wait")[1]
    assert out.splitlines()[-2:] == ["  answer: ftl2ctl answer 25", "  answer: ftl2ctl answer 26"]

    # It is looked at to begin with, and once more for what it asks.
    states = iter([asking, asking])
    done = builders.loop(state=LoopState.COMPLETED, outcome=Outcome.CONVERGED)
    service.on(
        ShowLoop, lambda _: LoopDetail(loop=next(states, done), process=None, open_prompts=prompts[1:], last=None)
    )
    service.on(WatchEvents, Stream([builders.event(102, LoopCompleted)]))
    assert "  answer: ftl2ctl answer 25" in ctl("watch", "web")[1].splitlines()


def test_prompts_are_the_oldest_first_for_programs_too(service, ctl):
    found = [builders.prompt(27), builders.prompt(26, asked_at=builders.ago(600))]
    service.on(ListPrompts, [PromptLine(prompt=prompt, loop="web") for prompt in found])
    for words in (("prompts",), ("prompts", "--all")):
        assert [one["prompt"]["id"] for one in json.loads(ctl(*words, "--json")[1])] == [26, 27]


def test_the_prompts_of_one_loop_offer_the_oldest_of_them(service, ctl):
    found = [builders.prompt(27), builders.prompt(26, asked_at=builders.ago(600))]
    service.on(ListPrompts, [PromptLine(prompt=prompt, loop="web") for prompt in found])
    assert ctl("prompts", "web")[1].splitlines()[-1] == "answer the oldest: ftl2ctl answer 26"


def test_waiting_survives_a_restart_of_the_service(service, ctl):
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(ResumeLoop, builders.loop())
    converges(service)

    def items(request: WatchEvents) -> list[Any]:
        # The first watch is ended by the service after one event.
        first = builders.event(101, IterationStarted, n=1, in_run=1, of=10)
        return [first] if request.after == 100 else [builders.event(102, LoopCompleted)]

    service.on(WatchEvents, items)
    status, out, _ = ctl("resume", "web", "--wait")
    assert status == 0
    assert [request.after for request in service.asked_for(WatchEvents)] == [100, 101]
    assert out.splitlines() == [
        "web: running",
        "iteration 1 (1 of 10)",
        "the service is unreachable: trying again",
        "the service is back",
        "converged: loop web",
    ]


def test_watch_begins_with_the_present_iteration(service, ctl):
    before = [
        builders.event(90, IterationStarted, n=1, in_run=1, of=10),
        builders.event(91, IterationStarted, n=2, in_run=2, of=10),
    ]
    service.on(ListEvents, EventPage(events=before, cursor=91))
    service.on(WatchEvents, Stream([builders.event(92, LoopCompleted)]))
    converges(service)
    status, out, _ = ctl("watch", "web")
    assert status == 0
    assert "iteration 1 " not in out
    assert "iteration 2 " in out
    assert out.splitlines()[-1] == "converged: loop web"


def test_watch_and_show_tell_what_is_in_hand(service, ctl):
    common: dict[str, Any] = {"module": "shell", "host": "db1"}
    before = [
        builders.event(90, IterationStarted, n=1, in_run=1, of=10),
        builders.event(91, ActionStarted, action_id=4, n=1, summary="shell true", **common),
        builders.event(92, ActionSucceeded, action_id=4, n=1, changed=True, **common),
        builders.event(93, ActionStarted, action_id=5, n=2, summary="shell sleep 1000", **common),
    ]
    service.on(ListEvents, EventPage(events=before, cursor=93))
    service.on(WatchEvents, Stream([builders.event(94, LoopCompleted)]))
    converges(service)
    shown = ctl("watch", "web")[1].splitlines()
    assert [one.partition("Z ")[2] for one in shown if "running" in one] == ["  running   shell on db1: sleep 1000"]

    last = builders.iteration(outcome=None, ended_at=None)
    running = builders.changed(
        ACTION, state=ActionState.RUNNING, started_at=builders.ago(11_000), ended_at=None, rc=None, error=None
    )
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=last))
    service.on(GetHistory, History(loop=builders.loop(), iterations=[last], actions=[running], more=None))
    assert "name=nginx (for 3 h)" in ctl("show", "web")[1]


def test_a_loop_that_does_not_go_on_is_not_waited_for(service, ctl):
    service.on(ListEvents, EventPage(events=[], cursor=1))
    service.on(AnswerPrompt, builders.prompt(state=PromptState.ANSWERED, answer="yes", answered_by="ada"))
    paused = builders.loop(state=LoopState.PAUSED, desired=Desired.PAUSE)
    service.on(ShowLoop, LoopDetail(loop=paused, process=None, open_prompts=[], last=None))
    assert ctl("answer", "3", "yes", "--wait")[0] == 6


# --- problems ------------------------------------------------------------------------------------------------------


def test_hints_name_this_program(service, ctl):
    def refuse(_request: ShowLoop) -> None:
        raise not_found("cannot find the loop 9", "see `ftl2-enterprise status --all`")

    service.on(ShowLoop, refuse)
    assert ctl("show", "9")[2].endswith("hint: see `ftl2ctl status --all`\n")


def test_a_problem_of_the_service_is_told_with_its_status(service, ctl):
    def refuse(_request: ShowLoop) -> None:
        raise not_found("cannot find a loop 'wbe'", "did you mean web?")

    service.on(ShowLoop, refuse)
    assert ctl("show", "wbe") == (2, "", "error: cannot find a loop 'wbe'\nhint: did you mean web?\n")


def test_no_service(tmp_path, ctl):
    status, out, err = ctl("status", "--json", "--socket", str(tmp_path / "none"))
    assert status == 69
    assert json.loads(out)["error"]["code"] == "unavailable"
    assert "there is no such socket" in err


def test_help_needs_no_service(ctl, monkeypatch, tmp_path):
    monkeypatch.setenv("FTL2CTL_SOCKET", str(tmp_path / "none"))
    assert ctl("help")[0] == 0
    assert "usage: ftl2ctl answer" in ctl("help", "answer")[1]
    assert ctl("answer", "--help")[1] == ctl("help", "answer")[1]
    assert "usage: ftl2ctl rules disable" in ctl("help", "rules")[1]
    every = json.loads(ctl("help", "--json")[1])["commands"]
    assert {"answer", "rules disable", "help"} <= {one["name"] for one in every}
    assert "exit" not in {one["name"] for one in every}
    (one,) = json.loads(ctl("help", "answer", "--json")[1])["commands"]
    assert one["usage"].startswith("answer [PROMPT]")
    assert one["summary"].startswith("Answer a prompt")
    assert [argument["name"] for argument in one["arguments"]] == ["prompt", "answer"]
    assert [flag["option"] for flag in one["flags"]] == ["--wait", "--json", "--socket", "--timeout", "--help"]
    assert one["flags"][0] | {"help": ""} == {
        "option": "--wait", "short": "-w", "value": None, "choices": [], "many": False, "default": None, "help": "",
    }  # fmt: skip
    family = [one["name"] for one in json.loads(ctl("help", "rules", "--json")[1])["commands"]]
    assert {"rules list", "rules disable"} <= set(family)
    assert ctl("help", "nonsense")[0] == 2
    assert ctl("completion", "bash")[1].startswith("# bash completion")


# --- standard input ------------------------------------------------------------------------------------------------


def test_each_line_of_standard_input_is_a_command(service, ctl):
    service.on(PauseLoop, builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED))
    service.on(ResumeLoop, builders.loop())
    status, out, err = ctl(stdin="# two\npause web\n\nftl2ctl resume web\n")
    assert (status, out, err) == (0, "web: paused\nweb: running\n", "")


def test_the_first_line_that_fails_ends_it_with_its_status(service, ctl):
    def refuse(_request: PauseLoop) -> None:
        raise conflict("cannot pause web: it has ended")

    service.on(PauseLoop, refuse)
    status, out, err = ctl(stdin="pause web\nresume web\n")
    assert (status, out, err) == (75, "", "error: cannot pause web: it has ended\nended at line 1: pause web\n")
    assert not service.asked_for(ResumeLoop)
    status, _, err = ctl(stdin="# one\npause 'web\n")
    assert (status, err.splitlines()[-1]) == (2, "ended at line 2: pause 'web")
    assert ctl(stdin="exit\nnonsense\n")[0] == 0


# --- completion ----------------------------------------------------------------------------------------------------


def test_the_completion_files_ask_for_names(service, ctl):
    service.on(
        ListLoops,
        LoopPage(
            loops=[
                builders.loop_line("web"),
                builders.loop_line("db", id=2, state=LoopState.PAUSED, desired=Desired.PAUSE),
            ]
        ),
    )
    service.on(ListPrompts, [PromptLine(prompt=builders.prompt(3), loop="web")])
    assert ctl("__complete", "", "show")[1] == "web\trunning\ndb\tpaused\n"
    assert ctl("__complete", "w", "show")[1] == "web\trunning\n"
    assert ctl("__complete", "", "resume")[1] == "db\tpaused\n"
    assert ctl("__complete", "", "pause")[1] == "web\trunning\n"
    assert ctl("__complete", "", "submit")[1] == ":files\n"
    assert ctl("__complete", "", "answer", "3")[1] == "yes\nno\n"
    assert ctl("__complete", "--fi", "submit")[1].startswith("--file\t")
    assert ctl("__complete", "", "submit", "-f")[1] == ":files\n"


def test_completion_without_a_service_still_knows_the_commands(tmp_path, ctl):
    none = str(tmp_path / "none")
    assert ctl("__complete", "", "--socket", none, "pause")[1] == ""
    assert ctl("__complete", "pau", "--socket", none)[1].startswith("pause\t")


def test_prompts_are_shown_before_they_are_asked(service, ctl):
    service.on(ShowPrompt, PromptDetail(prompt=builders.prompt(), loop="web", desired_state="x", observations=[]))
    assert ctl("answer", "3")[0] == 2
    assert not service.asked_for(ShowPrompt)
