"""`submit`: hand a desired state to the service."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl.commands.steering import told
from ftl2_enterprise.ctl.loop_text import standing
from ftl2_enterprise.ctl.registry import Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.ctl.tokenizer import word
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, Mode
from ftl2_enterprise.protocol.loops.verbs import ShowLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetSettings
from ftl2_enterprise.render.loops import desired_state
from ftl2_enterprise.render.text import Line, Role, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.nouns import Loop

LIMITS = ("max_iterations", "interval", "action_timeout", "prompt_timeout")
"""What the service's settings say when the command line does not."""


def run(session: Session, given: Given) -> int:
    """Submit it; with --wait follow it."""
    text, source = desired_state.read_desired_state(given.maybe("desired-state"), given.maybe("file"))
    spec = _spec(session, given, text, source)
    request = SubmitLoop(spec=spec, paused=given.has("paused"), priority=given.number("priority", 0))
    if given.has("wait") and not given.has("paused"):
        return _and_follow(session, request)
    loop = session.call(request)
    watch = f"watch {word(loop.name)}"
    session.reply(
        loop, lambda: [told(session, loop), *_beside(session, given, loop), session.offer("follow", watch, indent=2)]
    )
    return 0


def _beside(session: Session, given: Given, loop: Loop) -> list[Line]:
    """That the name which it would have had belongs to another loop, which goes on as it is."""
    if given.maybe("name") is not None or (numbered := re.fullmatch(r"(.+)-\d+", loop.name)) is None:
        return []
    try:
        other = session.call(ShowLoop(loop=numbered[1])).loop
    except Problem:
        return []
    if other.name != numbered[1]:
        return []
    name = word(other.name)
    return [
        line(
            ("beside it: ", Role.FAINT), (one_line(other.name), Role.STRONG), f" ({standing(other).word})", indent=2
        ),
        session.offer("to end that one", f"cancel {name}", indent=2),
    ]


def _and_follow(session: Session, request: SubmitLoop) -> int:
    from ftl2_enterprise.ctl import event_stream, follow  # noqa: PLC0415

    after = event_stream.cursor(session)
    loop = session.call(request)
    if not session.wants_json:
        session.print(told(session, loop))
    return follow.follow(session, loop, after=after)


def _spec(session: Session, given: Given, text: str, source: str | None) -> LoopSpec:
    mode = Mode(given.maybe("mode") or Mode.SINGLE)
    desired_state.check_interval(mode, given.maybe_float("interval"))
    fields: dict[str, Any] = {
        "max_iterations": given.maybe_number("max-iterations"),
        "interval": given.maybe_float("interval"),
        "action_timeout": given.maybe_float("action-timeout"),
        "prompt_timeout": given.maybe_float("prompt-timeout"),
    }
    if any(value is None for value in fields.values()):
        settings = {one.key: one.value for one in session.call(GetSettings())}
        for field in LIMITS:
            if fields[field] is None:
                fields[field] = settings.get(f"loops.{field}")
    return LoopSpec(
        # Without a name the service makes one that is free.
        name=given.maybe("name") or "",
        desired_state=text,
        mode=mode,
        decider=given.maybe("decider") or "auto",
        source=source,
        inventory=_path(given, "inventory"),
        policy=_path(given, "policy"),
        environment=given.maybe("environment") or "",
        rules_dir=_path(given, "rules-dir"),
        secrets=given.many("secret"),
        dry_run=given.has("dry-run"),
        max_ask_delay=given.number("max-ask-delay", 0),
        model=given.maybe("model"),
        max_cost=given.maybe_float("max-cost"),
        **{field: value for field, value in fields.items() if value is not None},
    )


def _path(given: Given, flag: str) -> str | None:
    """Absolute: the service has another working directory."""
    path = given.maybe(flag)
    return None if path is None else os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111


COMMANDS = (
    Command(
        name="submit",
        summary="Hand a desired state to the service, which makes it true in a process of its own.",
        group=Group.LOOPS,
        run=run,
        verbs=(SubmitLoop, GetSettings, ShowLoop),
        arguments=(
            Argument("desired-state", Kind.WISH, "A sentence, or a manifest (site.yaml).", optional=True, rest=True),
        ),
        flags=(
            Flag(
                "file",
                "Read the desired state, or a manifest, from FILE; `-` is standard input.",
                Kind.PATH,
                short="f",
                value="FILE",
            ),
            Flag(
                "name",
                "What the loop is called; by default made from the desired state.",
                Kind.NAME,
                short="n",
                value="NAME",
            ),
            Flag("wait", "Follow the loop until it ends, rests or asks; the status tells how.", short="w"),
            Flag(
                "mode",
                "Once, or for ever.",
                Kind.CHOICE,
                choices=tuple(map(str, desired_state.MODES)),
                default="single",
            ),
            Flag("interval", "Between the runs of a continuous loop.", Kind.SECONDS, above=0),
            Flag("dry-run", "Show what would be done, and change nothing."),
            Flag(
                "inventory",
                "The hosts; the machine of the service when not given.",
                Kind.PATH,
                short="i",
                value="FILE",
            ),
            Flag("policy", "What must not happen.", Kind.PATH, value="FILE"),
            Flag(
                "environment",
                "The environment that policy may speak of, such as `production`.",
                Kind.TEXT,
                value="NAME",
            ),
            Flag("rules-dir", "Rules that spare the model.", Kind.PATH, value="DIR"),
            Flag(
                "secret",
                "Bind a secret: SOURCE is credential:NAME or a variable of the service's environment.",
                Kind.TEXT,
                short="s",
                value="MODULE.PARAM=SOURCE",
                many=True,
            ),
            Flag("decider", "Who decides.", Kind.CHOICE, choices=desired_state.DECIDERS, default="auto"),
            Flag("model", "The model that the decider asks.", Kind.TEXT, value="NAME"),
            Flag("max-cost", "What the loop may spend on models.", Kind.DOLLARS, value="USD", at_least=0),
            Flag("max-iterations", "Of one run.", Kind.NUMBER, at_least=1),
            Flag(
                "max-ask-delay",
                "Ask after that many iterations in a row with failures; 0 never.",
                Kind.NUMBER,
                at_least=0,
            ),
            Flag("action-timeout", "For one action.", Kind.SECONDS, above=0),
            Flag("prompt-timeout", "For the answer to a prompt.", Kind.SECONDS, above=0),
            Flag(
                "priority",
                "Among loops that wait for a free place the higher one goes first; -100 to 100.",
                Kind.NUMBER,
                at_least=-100,
                at_most=100,
                default="0",
            ),
            Flag("paused", "Write it down, but do not start it."),
        ),
        details="Files are read here, as the user who submits; inventory, policy and rules by the service.",
        examples=(
            Example("submit -f site.yaml", "a manifest"),
            Example("submit -f -", "a manifest from standard input"),
            Example("submit -f site.yaml --mode continuous --interval 300", "and keep it so"),
            Example('submit "nginx runs and answers on port 80" -n web --wait'),
            Example("submit -f site.yaml --dry-run --wait", "what would be done; status 7 when there is something"),
        ),
    ),
)
