"""The scenarios of the views of loops, by the name of the golden file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.facts import (
    ActionDenied,
    ActionFailed,
    ActionLost,
    ActionPreviewed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    IterationChecked,
    IterationDecided,
    IterationEnded,
    IterationObserved,
    IterationStarted,
    LoopAnswered,
    LoopCompleted,
    LoopConverged,
    LoopDrifted,
    LoopRested,
    LoopStarted,
    ModelAnswered,
    ModelAsked,
    PromptAnswered,
    PromptAsked,
    PromptDismissed,
    PromptExpired,
    RuleBroken,
    RuleFired,
    RuleMatched,
    StateChanged,
)
from ftl2_enterprise.protocol.loops.hosts import Host, HostState, Resource
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    CallOutcome,
    Condition,
    Desired,
    IterationOutcome,
    IterationState,
    LoopSpec,
    LoopState,
    Mode,
    Outcome,
    PromptState,
)
from ftl2_enterprise.protocol.loops.replies import (
    ActionPage,
    History,
    HostLine,
    LoopDetail,
    LoopPage,
    ProcessInfo,
    PromptDetail,
    PromptLine,
    Queued,
    ResourceLine,
    RuleInfo,
)
from ftl2_enterprise.protocol.loops.verbs import (
    GetHistory,
    ListActions,
    ListHosts,
    ListLoops,
    ListPrompts,
    ListResources,
    ListRules,
    ShowLoop,
)
from ftl2_enterprise.protocol.text import StoredText
from ftl2_enterprise.render.loops import (
    actions,
    exit_status,
    history,
    inventory,
    loop_detail,
    loop_list,
    loop_table,
    narrator,
    prompts,
    rules,
    standing,
    state_words,
    summary,
    watched,
)
from ftl2_enterprise.render.text import Line, Role, columns, line, symbol
from tests.snapshots.scenario import NOW, FixedReader, Scenario, fixed
from tests.support import awkward
from tests.support.builders import action, ago, event, iteration, loop, loop_line, observation, prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.fact import Fact

IN_A_MINUTE = ago(-60)
QUEUED = Queued(place=2, taken=4, places=4)

# --- lists of loops ------------------------------------------------------------------------------------------------

STANDINGS: dict[str, dict[str, Any]] = {
    "running": {},
    "never-observed": {"condition": Condition.UNKNOWN, "observed_at": None, "iteration_count": 0, "changed_count": 0},
    "starting": {"state": LoopState.PENDING, "pid": None},
    "queued": {"state": LoopState.PENDING, "pid": None, "queued": QUEUED},
    "pausing": {"desired": Desired.PAUSE},
    "stopping": {"desired": Desired.STOP},
    "cancelling": {"desired": Desired.CANCEL},
    "resuming": {"state": LoopState.PAUSED, "pid": None},
    "restarting": {"pid": None, "restart_at": IN_A_MINUTE, "reason": "killed by SIGKILL"},
    "resting": {"state": LoopState.RESTING, "pid": None, "next_run_at": IN_A_MINUTE},
    "failing": {
        "state": LoopState.RESTING,
        "pid": None,
        "next_run_at": IN_A_MINUTE,
        "reason": "cannot connect to web1: no route to host",
        "condition": Condition.UNKNOWN,
        "failed_count": 7,
    },
    "waiting": {"state": LoopState.WAITING, "pid": None, "open_prompts": 1, "condition": Condition.DRIFTED},
    "paused": {
        "state": LoopState.PAUSED,
        "desired": Desired.PAUSE,
        "pid": None,
        "reason": "paused on request",
    },
    "blocked": {"state": LoopState.BLOCKED, "pid": None, "reason": "the package nginx does not exist"},
    "failed": {"state": LoopState.FAILED, "outcome": Outcome.FAILED, "pid": None, "reason": "no such inventory"},
    "not-converged": {
        "state": LoopState.FAILED,
        "outcome": Outcome.NOT_CONVERGED,
        "pid": None,
        "reason": "10 iterations were not enough",
    },
    "completed": {"state": LoopState.COMPLETED, "outcome": Outcome.CONVERGED, "mode": Mode.SINGLE, "pid": None},
    "previewed": {"state": LoopState.COMPLETED, "outcome": Outcome.PREVIEWED, "mode": Mode.SINGLE, "pid": None},
    "cancelled": {
        "state": LoopState.CANCELLED,
        "outcome": Outcome.CANCELLED,
        "desired": Desired.CANCEL,
        "pid": None,
        "reason": "cancelled on request",
    },
    "in-the-foreground": {"managed": False, "mode": Mode.SINGLE, "cost_usd": 0.0312},
    "interrupted": {"managed": False, "pid": None, "mode": Mode.SINGLE},
}
"""A loop for each word that a status can have, by the name of the loop."""
LINES = [loop_line(name, id=n, **fields) for n, (name, fields) in enumerate(STANDINGS.items(), 1)]
FEW = [one for one in LINES if one.name in {"running", "resting", "waiting"}]
ASKED = [
    PromptLine(prompt=prompt(3), loop="waiting"),
    PromptLine(
        prompt=prompt(4, "Which port?", options=[], default="80", deadline_at=IN_A_MINUTE, asked_at=ago(30)),
        loop="web",
    ),
]
AWKWARD_LINES = [
    loop_line(name, id=n, reason=awkward.CONTROL, state=LoopState.BLOCKED, pid=None)
    for n, name in enumerate(awkward.NAMES, 1)
]


def listed(*lines: Any, **fields: Any) -> dict[Any, Any]:
    return {ListLoops: LoopPage(loops=list(lines), **fields), ListPrompts: ASKED}


def of_all(reader: FixedReader) -> Any:
    return loop_list.loops_view(reader, finished=True)


def of_active(reader: FixedReader) -> Any:
    return loop_list.loops_view(reader, finished=False)


def only_ended(request: ListLoops) -> LoopPage:
    return LoopPage(loops=[loop_line(state=LoopState.COMPLETED)] if request.finished else [])


LOOPS_VIEW = [
    Scenario("three loops and their prompts", of_active, listed(*FEW), has_colour=True, has_json=True),
    Scenario("every status", of_all, listed(*LINES)),
    Scenario("a stopping service", of_active, listed(*FEW, draining=True)),
    Scenario("awkward names", of_active, listed(*AWKWARD_LINES)),
    Scenario(
        "more than the limit", lambda r: loop_list.loops_view(r, finished=True, limit=1), listed(LINES[0], more=1)
    ),
    Scenario("no loops", of_active, listed()),
    Scenario("only ended loops", of_active, {ListLoops: only_ended}),
]

# --- one loop ------------------------------------------------------------------------------------------------------

SPEC = LoopSpec(
    name="web",
    desired_state="nginx runs\nwith TLS",
    mode=Mode.CONTINUOUS,
    source="/etc/ftl2-enterprise/loops/web.yaml",
    inventory="hosts.yaml",
    policy="policy.yaml",
    max_cost=2.5,
    interval=300,
)
DECISION = Decision(
    reasoning="nginx is installed but not running.",
    unmet=["nginx is stopped on web1", "port 443 is closed on web1"],
)
ACTED = iteration(outcome=IterationOutcome.ACTED, reasoning="nginx is installed but not running.", decision=DECISION)
STARTED = action()
FAILED_ACTION = action(
    2,
    state=ActionState.FAILED,
    changed=False,
    rc=1,
    error="Job for nginx.service failed",
    stderr=StoredText("nginx: [emerg] bind() to 0.0.0.0:80 failed\nnginx: still could not bind()\n", None, 75),
)
ACTIONS = [
    STARTED,
    FAILED_ACTION,
    action(3, changed=False, target="webservers", host="web2"),
    action(
        4, state=ActionState.DENIED, changed=None, error="policy: no restarts by day", started_at=None, ended_at=None
    ),
    action(5, state=ActionState.UNKNOWN, changed=None, error="the process ended during the action", ended_at=None),
    action(
        6, state=ActionState.SKIPPED, changed=None, error="an earlier action failed", started_at=None, ended_at=None
    ),
    action(7, state=ActionState.PREVIEWED, changed=None, started_at=None, ended_at=None),
    action(8, state=ActionState.RUNNING, changed=None, ended_at=None, origin="rule:restart_nginx"),
    action(9, state=ActionState.PROPOSED, changed=None, started_at=None, ended_at=None),
]
LONG_TEXTS = action(
    10,
    module="shell",
    params={"cmd": awkward.PARAGRAPH, "creates": awkward.CONTROL},
    host=awkward.WIDE,
    stdout=StoredText("line\n", "ab" * 32, 123_456),
    stderr=StoredText("line\n", "cd" * 32, 1),
)
PROCESS = ProcessInfo(pid=4711, started_at=ago(7200))
DETAIL = LoopDetail(
    loop=loop(spec=SPEC, submitted_by="ada (uid 1000, pid 8)"), process=PROCESS, open_prompts=[], last=ACTED
)
WAITING = LoopDetail(
    loop=loop(
        state=LoopState.WAITING, condition=Condition.DRIFTED, open_prompts=2, model_call_count=4, cost_usd=0.21
    ),
    process=None,
    open_prompts=[prompt(3), prompt(4, "Which port?", options=["80", "8080"], default="80", asked_at=ago(30))],
    last=iteration(outcome=IterationOutcome.ASKED, decided_by="model", reasoning="Two things are unclear."),
)
AWKWARD_DETAIL = LoopDetail(
    loop=loop(
        awkward.CONTROL,
        state=LoopState.BLOCKED,
        reason=awkward.PARAGRAPH,
        desired_state=awkward.PARAGRAPH,
        crashes=3,
        crashes_since=ago(600),
    ),
    process=None,
    open_prompts=[],
    last=iteration(outcome=IterationOutcome.BLOCKED, error=awkward.CONTROL, reasoning=awkward.PARAGRAPH),
)


def of_loop(reader: FixedReader) -> Any:
    return loop_detail.loop_view(reader, loop="web")


def shown(detail: LoopDetail, *done: Any) -> dict[Any, Any]:
    found = [] if detail.last is None else [detail.last]
    return {ShowLoop: detail, GetHistory: History(loop=detail.loop, iterations=found, actions=list(done))}


LOOP_VIEW = [
    Scenario("a running loop", of_loop, shown(DETAIL, *ACTIONS), has_colour=True, has_json=True),
    Scenario("a waiting loop", of_loop, shown(WAITING)),
    Scenario("more actions than are shown", of_loop, shown(DETAIL, *(action(n) for n in range(1, 13)))),
    Scenario("awkward texts", of_loop, shown(AWKWARD_DETAIL, LONG_TEXTS)),
    Scenario(
        "a loop without iterations in a stopping service",
        of_loop,
        shown(
            LoopDetail(loop=loop(state=LoopState.PENDING), process=None, open_prompts=[], last=None, draining=True)
        ),
    ),
    *(
        Scenario(
            str(state),
            of_loop,
            shown(LoopDetail(loop=loop(state=state, reason=None), process=None, open_prompts=[], last=None)),
        )
        for state in (LoopState.PAUSED, LoopState.FAILED, LoopState.RESTING, LoopState.COMPLETED)
    ),
]

# --- history and actions -------------------------------------------------------------------------------------------

ITERATIONS = [
    iteration(
        n,
        outcome=outcome,
        reasoning="because of what was observed" if n % 2 else None,
        error="cannot connect to web1"
        if outcome in {IterationOutcome.FAILED, IterationOutcome.MODEL_FAILED}
        else None,
        decided_by="rule:restart_nginx" if outcome is IterationOutcome.RULE_FIRED else "model",
    )
    for n, outcome in enumerate(IterationOutcome, 3)
]
RUNNING_ITERATION = iteration(16, state=IterationState.DECIDING, decided_by=None, ended_at=None)
MANY_UNMET = iteration(
    17, outcome=IterationOutcome.ACTED, decision=Decision(unmet=[f"line {n} is missing" for n in range(1, 12)])
)
SETTLED = [
    PromptLine(
        prompt=prompt(3, iteration_id=8, state=PromptState.ANSWERED, answer="yes", answered_by="ada"), loop="web"
    ),
    PromptLine(prompt=prompt(4, iteration_id=8, state=PromptState.EXPIRED), loop="web"),
]


def of_history(reader: FixedReader, *, with_actions: bool = False, changed: bool = False) -> Any:
    return history.history_view(reader, loop="web", actions=with_actions, changed=changed, before=None)


def past(*found: Any, done: Sequence[Any] = (), more: int | None = None, **fields: Any) -> dict[Any, Any]:
    page = History(loop=loop(**fields), iterations=list(found), actions=list(done), more=more)
    return {GetHistory: page, ListPrompts: SETTLED}


HISTORY_VIEW = [
    Scenario("every outcome", of_history, past(*ITERATIONS, RUNNING_ITERATION), has_colour=True),
    Scenario("a page before others, with unmet conditions", of_history, past(MANY_UNMET, more=17)),
    Scenario(
        "with actions",
        lambda reader: of_history(reader, with_actions=True),
        past(iteration(outcome=IterationOutcome.ACTED), done=ACTIONS),
        has_json=True,
    ),
    Scenario("no iterations", of_history, past(iteration_count=0, action_count=0, observed_at=None)),
    Scenario("no changes", lambda reader: of_history(reader, changed=True), past(model_call_count=3, cost_usd=1.5)),
    Scenario("awkward texts", of_history, past(AWKWARD_DETAIL.last, name=awkward.WIDE, reason=awkward.PARAGRAPH)),
]


def of_actions(reader: FixedReader) -> Any:
    return actions.actions_view(reader, loop="web", state=None, before=None)


ACTIONS_VIEW = [
    Scenario("every state", of_actions, {ListActions: ActionPage(actions=ACTIONS, more=101)}, has_colour=True),
    Scenario("long texts", of_actions, {ListActions: ActionPage(actions=[LONG_TEXTS])}, has_json=True),
    Scenario("none", of_actions, {ListActions: ActionPage(actions=[])}),
    Scenario(
        "none in a state",
        lambda r: actions.actions_view(r, loop="two words", state=ActionState.FAILED, before=None),
        {ListActions: ActionPage(actions=[])},
    ),
]

# --- prompts -------------------------------------------------------------------------------------------------------

AWKWARD_PROMPT = prompt(
    5, awkward.PARAGRAPH, options=[awkward.CONTROL, awkward.WIDE], context=awkward.PARAGRAPH, default=awkward.LONG
)
OBSERVED = [
    observation(result='{"changed": true, "rc": 0, "stdout": "active\\n"}'),
    observation("disk", '{"free": "2 GB", "used": 0.91, "mounts": ["/", "/var"]}'),
    observation("ping", error="cannot connect to web1"),
    observation("manifest:files", "{}"),
    *(observation(f"check {n}", '{"msg": "ok"}') for n in range(8)),
]


def of_prompts(reader: FixedReader, *, settled: bool = False) -> Any:
    return prompts.prompts_view(reader, loop=None, settled=settled)


PROMPTS_VIEW = [
    Scenario("open", of_prompts, {ListPrompts: ASKED}, has_colour=True, has_json=True),
    Scenario("settled", lambda reader: of_prompts(reader, settled=True), {ListPrompts: [*SETTLED, *ASKED]}),
    Scenario("awkward texts", of_prompts, {ListPrompts: [PromptLine(prompt=AWKWARD_PROMPT, loop=awkward.LONG)]}),
    Scenario("none open", of_prompts, {ListPrompts: []}),
    Scenario("none", lambda reader: of_prompts(reader, settled=True), {ListPrompts: []}),
]


def detailed(asked: Any, desired: str = "nginx runs", loop_name: str = "web") -> Callable[[FixedReader], list[Line]]:
    detail = PromptDetail(prompt=asked, loop=loop_name, desired_state=desired, observations=OBSERVED)
    return lambda _: prompts.detail_lines(fixed(detail), NOW)


PROMPT = [
    Scenario("open", detailed(prompt()), has_colour=True),
    Scenario("answered", detailed(prompt(state=PromptState.ANSWERED, answer="yes", answered_by="ada (uid 7)"))),
    Scenario("expired", detailed(prompt(state=PromptState.EXPIRED, default="later"))),
    Scenario("awkward texts, of a manifest", detailed(AWKWARD_PROMPT, "steps:\n- a\n", awkward.WIDE)),
    Scenario("dismissed without a default", lambda _: prompts.dismissed(prompt())),
    Scenario("dismissed with a default", lambda _: prompts.dismissed(prompt(answer="no"))),
    Scenario(
        "more open prompts than are shown",
        lambda reader: prompts.open_prompt_lines(
            reader, fixed([PromptLine(prompt=prompt(n), loop="web") for n in range(1, 8)])
        ),
    ),
    Scenario(
        "notice of a prompt",
        lambda _: [
            one
            for asked in (ASKED[0], PromptLine(AWKWARD_PROMPT, awkward.LONG))
            for one in prompts.asked_notice(asked)
        ],
    ),
    Scenario(
        "notices of settled prompts",
        lambda _: [
            prompts.settled_notice(7, None),
            *(
                prompts.settled_notice(7, prompt(7, state=state, answer="yes", answered_by="ada (uid 7)"))
                for state in (PromptState.ANSWERED, PromptState.EXPIRED, PromptState.DISMISSED)
            ),
        ],
    ),
]

# --- rules, hosts, resources ---------------------------------------------------------------------------------------

FOLDER = "/etc/ftl2-enterprise/rules"
RULES = [
    RuleInfo(
        "restart_nginx", "Restart nginx when it fails.", f"{FOLDER}/restart_nginx.py", "ab",
        enabled=True, fired=3, last_fired_at=ago(600),
    ),
    RuleInfo(
        "truncate_log", "Truncate logs above 1 GB.", f"{FOLDER}/truncate_log.py", "cd",
        enabled=False, disabled_by="ada (uid 7)",
    ),
    RuleInfo("broken", "", f"{FOLDER}/broken.py", "ef", enabled=True, error="line 3: invalid syntax"),
    RuleInfo(awkward.LONG, awkward.CONTROL, f"{FOLDER}/{awkward.WIDE}.py", "01", enabled=True),
]  # fmt: skip
RULES_VIEW = [
    Scenario("every state", rules.rules_view, {ListRules: RULES}, has_colour=True, has_json=True),
    Scenario("none", rules.rules_view, {ListRules: []}),
    *(Scenario(f"one: {rule.name[:20]}", lambda _, rule=rule: rules.rule_lines(fixed(rule), NOW)) for rule in RULES),
    Scenario("switched", lambda _: [rules.switched_line(rule) for rule in RULES[:2]]),
]


def host(name: str, **fields: Any) -> HostLine:
    given: dict[str, Any] = {
        "ansible_host": "192.0.2.7", "ansible_port": 2222, "ansible_user": "deploy", "groups": ["web", "eu"],
        "facts": {"distribution": "Debian 13", "memory_mb": 4096}, "state": HostState.KNOWN,
    }  # fmt: skip
    found = Host(id=1, loop_id=1, name=name, created_at=ago(7200), updated_at=ago(90), **(given | fields))
    return HostLine(host=found, loop="web")


def resource(name: str, data: dict[str, Any]) -> ResourceLine:
    return ResourceLine(
        resource=Resource(id=1, loop_id=1, name=name, data=data, created_at=ago(7200), updated_at=ago(90)), loop="web"
    )


HOSTS = [
    host("web1"),
    host("web2", ansible_host=None, groups=[], facts={}, state=HostState.REGISTERED),
    host(awkward.LONG, groups=[awkward.WIDE], facts={"motd": awkward.CONTROL, "empty": None}),
]
RESOURCES = [
    resource("vm-7", {"region": "eu", "address": "192.0.2.7", "created_at": ago(7200)}),
    resource(awkward.WIDE, {}),
]
HOSTS_VIEW = [
    Scenario("hosts", lambda r: inventory.hosts_view(r, loop=None), {ListHosts: HOSTS}, has_json=True),
    Scenario("none", lambda r: inventory.hosts_view(r, loop=None), {ListHosts: []}),
]
RESOURCES_VIEW = [
    Scenario(
        "resources", lambda r: inventory.resources_view(r, loop=None), {ListResources: RESOURCES}, has_json=True
    ),
    Scenario("none", lambda r: inventory.resources_view(r, loop=None), {ListResources: []}),
]

# --- narration -----------------------------------------------------------------------------------------------------

CALL: dict[str, Any] = {"iteration_id": 12, "module": "service", "host": "web1"}


def events_of(*facts: tuple[type[Fact], dict[str, Any]]) -> list[Event]:
    return [fixed(event(n, kind, **fields)) for n, (kind, fields) in enumerate(facts, 1)]


def started(n: int, summary: str = "service name=nginx state=started") -> tuple[type[Fact], dict[str, Any]]:
    return ActionStarted, {**CALL, "action_id": n, "n": n, "summary": summary}


NO_OP = events_of(
    (LoopStarted, {"run": 4, "resumed": False}),
    (IterationStarted, {"n": 13, "in_run": 1, "of": 10}),
    (IterationObserved, {"names": ["manifest:step nginx", "disk"]}),
    (IterationChecked, {"held": True}),
    (IterationDecided, {"by": "check", "converged": True, "reasoning": "the recorded check holds"}),
    (LoopConverged, {"iterations": 1, "changed": 0, "by": "check"}),
    (LoopRested, {"outcome": Outcome.CONVERGED, "delay": 300.0, "failures": 0}),
)
REPAIR = events_of(
    (LoopStarted, {"run": 5, "resumed": True}),
    (IterationStarted, {"n": 14, "in_run": 1, "of": 10}),
    (
        IterationObserved,
        {
            "names": ["nginx", "disk"],
            "failed": [
                {"name": "nginx", "host": "web1", "error": "exit status 3: inactive"},
                {"name": "disk", "host": "web2", "error": "cannot connect to web2"},
            ],
            "denied": ["secrets"],
        },
    ),
    (IterationChecked, {"held": False, "unmet": ["nginx is stopped"]}),
    (LoopDrifted, {"unmet": ["nginx is stopped"]}),
    (ModelAsked, {"purpose": "decide", "provider": "claude"}),
    (ModelAnswered, {"outcome": CallOutcome.OK, "latency": 3.2, "cost_usd": 0.01}),
    (
        IterationDecided,
        {
            "by": "model",
            "reasoning": "nginx has to be started.",
            "actions": [{"module": "service", "host": "web1", "reason": "nginx is stopped"}],
            "unmet": ["nginx is stopped"],
        },
    ),
    started(1),
    (ActionSucceeded, {**CALL, "action_id": 1, "n": 1, "changed": True, "seconds": 1.4}),
    started(2),
    (ActionSucceeded, {**CALL, "action_id": 2, "n": 2, "changed": False, "seconds": 0.2}),
    started(3),
    (
        ActionFailed,
        {**CALL, "action_id": 3, "n": 3, "error": "Job for nginx.service failed", "seconds": 61.0, "rc": 1},
    ),
    (ActionPreviewed, {**CALL, "action_id": 4, "n": 4, "summary": "service name=nginx"}),
    (ActionDenied, {**CALL, "action_id": 5, "n": 5, "reason": "policy: no restarts by day"}),
    (ActionSkipped, {**CALL, "action_id": 6, "n": 6, "reason": "an earlier action failed"}),
    (ActionLost, {**CALL, "action_id": 7, "n": 7, "reason": "the process ended during the action"}),
    (RuleMatched, {"rule": "restart_nginx"}),
    (RuleFired, {"rule": "restart_nginx", "success": True}),
    (RuleFired, {"rule": "restart_nginx", "success": False, "detail": "exit status 9"}),
    (RuleBroken, {"rule": "broken", "error": "line 3: invalid syntax"}),
    (StateChanged, {"op": "add_host", "name": "web3"}),
    (IterationEnded, {"n": 14, "outcome": IterationOutcome.FAILED, "error": "1 action failed"}),
    (LoopConverged, {"iterations": 2, "changed": 1, "by": "manifest"}),
    (LoopRested, {"outcome": Outcome.NOT_CONVERGED, "delay": 600.0, "failures": 2, "reason": "1 action failed"}),
)
ASKING = events_of(
    (PromptAsked, {"prompt_id": 3, "question": "Restart nginx now?", "options": ["yes", "no"], "default": "no"}),
    (PromptAnswered, {"prompt_id": 3, "answer": "yes", "answered_by": "ada (uid 7)"}),
    (PromptAsked, {"prompt_id": 4, "question": "Which port?"}),
    (PromptExpired, {"prompt_id": 4}),
    (PromptAsked, {"prompt_id": 5, "question": "Which name?", "default": "web"}),
    (PromptDismissed, {"prompt_id": 5}),
    (LoopAnswered, {"prompt_id": 6}),
    (IterationDecided, {"by": "model", "blocked": "the package nginx does not exist"}),
    (ModelAnswered, {"outcome": CallOutcome.FAILED, "latency": 30.0, "error": "rate limit"}),
    (LoopCompleted, {"outcome": Outcome.CONVERGED}),
)
AWKWARD = events_of(
    (IterationObserved, {"names": list(awkward.NAMES)}),
    (IterationDecided, {"by": "model", "reasoning": awkward.PARAGRAPH, "unmet": [awkward.CONTROL] * 14}),
    started(1, awkward.CONTROL),
    (ActionFailed, {**CALL, "action_id": 1, "n": 1, "error": awkward.PARAGRAPH, "seconds": 0.01}),
    (PromptAsked, {"prompt_id": 3, "question": awkward.PARAGRAPH, "options": list(awkward.NAMES)}),
)


def failed_action(action_id: int) -> Any:
    return FAILED_ACTION if action_id == 3 else None


def answered_elsewhere(_prompt_id: int) -> Any:
    return prompt(6, state=PromptState.ANSWERED, answer="yes", answered_by="ada (uid 7)")


def teller() -> narrator.Narrator:
    return narrator.Narrator(lookup=failed_action, lookup_prompt=answered_elsewhere)


def narrated(events: Sequence[Event]) -> Callable[[FixedReader], list[Line]]:
    def lines(_: FixedReader) -> list[Line]:
        one = teller()
        return [*narrator.header(loop(spec=SPEC)), *(found for fact in events for found in one.lines_of_event(fact))]

    return lines


def watching(events: Sequence[Event]) -> Callable[[FixedReader], list[Line]]:
    def lines(_: FixedReader) -> list[Line]:
        one = watched.Watched(teller())
        return [*(found for fact in events for found in one.lines_of_event(fact)), *one.held_lines()]

    return lines


def running(_: FixedReader) -> list[Line]:
    one = teller()
    for fact in events_of(started(1), started(2, awkward.PARAGRAPH)):
        one.lines_of_event(fact)
    return one.running_lines()


NARRATION = [
    Scenario("a run that repairs drift", narrated(REPAIR), has_colour=True),
    Scenario("a no-op run", narrated(NO_OP)),
    Scenario("prompts and problems", narrated(ASKING)),
    Scenario("awkward texts", narrated(AWKWARD)),
    Scenario("running actions", running),
    Scenario(
        "a dry run", lambda _: narrator.header(loop(spec=LoopSpec(name="web", desired_state="x", dry_run=True)))
    ),
]
WATCHED = [
    Scenario("a no-op run, then drift", watching([*NO_OP, *REPAIR])),
    Scenario("a run that has not ended", watching(NO_OP[:5])),
]

# --- the end of a run, and states ----------------------------------------------------------------------------------

LEFT: dict[str, dict[str, Any]] = {
    "converged": {"state": LoopState.COMPLETED, "outcome": Outcome.CONVERGED},
    "a dry run": {"state": LoopState.COMPLETED, "outcome": Outcome.PREVIEWED},
    "paused": {"state": LoopState.PAUSED, "desired": Desired.PAUSE, "reason": "paused on request"},
    "blocked": {"state": LoopState.BLOCKED, "reason": "the package nginx does not exist"},
}
TALLY = narrator.Tally(iterations=2, changed=3, ok=1, failed=1, denied=1, unknown=1, skipped=1, previewed=1,
                       model_calls=2, cost_usd=0.0421)  # fmt: skip


def summed(fields: dict[str, Any], tally: narrator.Tally, *asked: Any) -> Callable[[FixedReader], list[Line]]:
    return lambda _: summary.summary(
        loop("two words", **fields),
        tally,
        took="42 s",
        prompts=asked,
        command=lambda words: f"ftl2-enterprise {words}",
    )


SUMMARY = [
    *(Scenario(title, summed(fields, TALLY), has_colour=title == "blocked") for title, fields in LEFT.items()),
    Scenario("waiting", summed({"state": LoopState.WAITING}, narrator.Tally(iterations=1, questions=1), prompt())),
    Scenario("awkward reason", summed(LEFT["blocked"] | {"reason": awkward.PARAGRAPH}, narrator.Tally())),
]


def standing_loop(name: str, fields: dict[str, Any]) -> Any:
    """The loop of an entry of STANDINGS; some of its fields exist only in lists."""
    of_loop = {key: value for key, value in fields.items() if key not in {"pid", "queued"}}
    return loop(name, failures=2 if name == "failing" else 0, **of_loop)


def replied(*, is_now: bool = False) -> list[Line]:
    found = [standing_loop(name, fields) for name, fields in STANDINGS.items()]
    return [standing.state_line(fixed(one), NOW, is_now=is_now) for one in found]


REPLIES = [
    Scenario("every status", lambda _: replied(), has_colour=True),
    Scenario("interrupting", lambda _: replied(is_now=True)[4:7]),
    Scenario("queued", lambda _: standing.state_line(loop(state=LoopState.PENDING), NOW, QUEUED)),
    Scenario("a stopping service", lambda _: loop_table.stopping_lines([], draining=True)),
]


def _exits(_: FixedReader) -> list[Line]:
    rows = [
        [line(str(status.value)).spans[0], line(meaning).spans[0]] for status, meaning in exit_status.MEANINGS.items()
    ]
    ends = [
        line(f"{name}: {exit_status.exit_of(standing_loop(name, fields)).value}")
        for name, fields in STANDINGS.items()
    ]
    return [*columns(rows), line(), *ends]


def _words(_: FixedReader) -> list[Line]:
    words = [
        *state_words.ACTION_WORDS.values(),
        *state_words.OUTCOME_WORDS.values(),
        *(("", *word) for word in state_words.ITERATION_WORDS.values()),
        *(("", *word) for word in state_words.CONDITION_WORDS.values()),
    ]
    states = [line(symbol(sign, Role.PLAIN), str(state)) for state, sign in state_words.STATE_SYMBOLS.items()]
    return [*states, *(line(symbol(sign, role), (word, role)) for sign, word, role in words)]


GOLDEN = {
    "loops_view": LOOPS_VIEW,
    "loop_view": LOOP_VIEW,
    "history_view": HISTORY_VIEW,
    "actions_view": ACTIONS_VIEW,
    "prompts_view": PROMPTS_VIEW,
    "rules_view": RULES_VIEW,
    "hosts_view": HOSTS_VIEW,
    "resources_view": RESOURCES_VIEW,
    "prompt": PROMPT,
    "narration": NARRATION,
    "watched": WATCHED,
    "summary": SUMMARY,
    "replies": REPLIES,
    "exit_statuses": [Scenario("meanings, and the status for each standing", _exits)],
    "words": [Scenario("states, results and conditions", _words, has_colour=True)],
}
