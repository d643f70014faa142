"""`run`: run a loop in this process, in the foreground."""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.cli.loops import run_foreground
from ftl2_enterprise.cli.loops.arguments import LOOPS
from ftl2_enterprise.cli.loops.progress import Progress, progress
from ftl2_enterprise.cli.loops.prompter import NonInteractivePeople, TerminalPeople, is_asked_here
from ftl2_enterprise.commandline.declaration import TEXT, Command, Example, Option
from ftl2_enterprise.commandline.loops import options
from ftl2_enterprise.commandline.loops.desired_state import check_ask_delay, check_interval, read_desired_state
from ftl2_enterprise.core import interrupt
from ftl2_enterprise.core.problem import Code, Problem, invalid
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops.labels import parse_labels
from ftl2_enterprise.protocol.loops.naming import check_name, name_for
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopRemediation, LoopSpec, LoopState, Mode, Prompt, PromptState
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.loops import fact_lines
from ftl2_enterprise.render.loops.exit_status import exit_of
from ftl2_enterprise.render.loops.standing import outcome_line
from ftl2_enterprise.render.loops.summary import summary
from ftl2_enterprise.render.text import Role, duration, line, quoted

if TYPE_CHECKING:
    from ftl2_enterprise.cli.loops.run_totals import RunFindings
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.protocol.loops.approvals import ApprovalDetail
    from ftl2_enterprise.protocol.loops.nouns import Action
    from ftl2_enterprise.protocol.text import StoredText
    from ftl2_enterprise.render.loops.narrator import Narrator
    from ftl2_enterprise.render.loops.tally import Tally
    from ftl2_enterprise.store.database import Store

WITH_RESUME = {"resume", "quiet", "json", "non-interactive", "db", "config"}
"""Options that do not change the specification of the loop."""
LIMITS = {"max-iterations", "interval", "max-ask-delay", "max-cost", "max-tokens", "action-timeout"}
"""Options by which a resumed loop may continue with other limits; the rest of its specification stays."""


def run(session: CliSession, given: GivenValues) -> int:
    """Run a new loop, or resume one; the exit status is that of its outcome."""
    # Until the loop runs and handles Ctrl-C itself, there is nothing to clean up.
    with interrupt.Fatal():
        return _run(session, given)


def _run(session: CliSession, given: GivenValues) -> int:
    begun = time.monotonic()
    wants_json = given.has("json")
    if (resumed := given.maybe("resume")) is not None:
        limits = _limits(given)
        store = session.open_store()
        loop = _find(store, resumed)
        if loop.state is LoopState.COMPLETED:
            return _had_ended(session, loop, wants_json=wants_json)
    else:
        limits = {}
        spec = _prepared(given, session.settings)
        store = _open(session.settings)
        loop = _create(store, spec, is_named=given.has("name"))
    shown = progress(session.out, silent=given.has("quiet") or wants_json)
    non_interactive = given.has("non-interactive")
    people = _people(session, shown, silent=wants_json, non_interactive=non_interactive)
    _give_lookups(shown.narrator, store)
    if isinstance(people, TerminalPeople):
        people.lookup_approval = partial(_approval, store)
    header = partial(shown.show, fact_lines.header(loop))
    try:
        work = run_foreground.run(
            store, loop.id, settings=session.settings, people=people, progress=shown, limits=limits, begun=header,
            waits_for_thaw=not non_interactive,
        )  # fmt: skip
        loop = asyncio.run(work)
    except Problem as problem:
        shown.close()
        raise _with_resume(problem, session, loop) from problem
    finally:
        shown.close()
    # Closing the event loop has restored the default handling of Ctrl-C.
    with interrupt.Fatal():
        _report(session, store, loop, shown.narrator.tally, seconds=time.monotonic() - begun, given=given)
    return exit_of(loop)


def _report(
    session: CliSession, store: Store, loop: Loop, seen: Tally, *, seconds: float, given: GivenValues
) -> None:
    """Print how the run ended. The counts of a resumed run include those of earlier processes."""
    from ftl2_enterprise.cli.loops import run_totals  # noqa: PLC0415
    from ftl2_enterprise.loops.rows import prompts as prompt_rows  # noqa: PLC0415

    with store.read() as tx:
        prompts = prompt_rows.get_prompts(tx, loop.id, state=PromptState.OPEN)
        found = run_totals.findings(tx, loop) if given.has("json") else run_totals.RunFindings()
        whole = run_totals.of_run(tx, loop) if given.has("resume") and loop.mode is Mode.SINGLE else seen
    if given.has("json"):
        session.document(
            {
                "loop": json_output.document(loop),
                "exit_status": exit_of(loop).value,
                "seen": {**vars(seen), "actions": seen.actions, "seconds": round(seconds, 3)},
                "prompts": json_output.document(prompts),
                **_document(found),
            }
        )
        return
    took = duration(seconds) + ("" if whole.iterations == seen.iterations else " since it was resumed")
    lines = summary(loop, whole, took=took, prompts=prompts, command=lambda words: f"{session.command()} {words}")
    session.out.print(lines if given.has("quiet") else [line(), *lines])


def _document(found: RunFindings) -> dict[str, Any]:
    return {name: json_output.document(value) for name, value in vars(found).items()}


def _had_ended(session: CliSession, loop: Loop, *, wants_json: bool) -> int:
    """The reply for a resumed loop that has completed already, such as one whose process was killed as it ended."""
    status = exit_of(loop)
    if wants_json:
        from ftl2_enterprise.cli.loops.run_totals import RunFindings  # noqa: PLC0415

        session.document(
            {
                "loop": json_output.document(loop),
                "exit_status": status.value,
                "seen": None,
                "prompts": [],
                **_document(RunFindings()),
            }
        )
    else:
        why = line(("it had ended before; nothing was done", Role.FAINT), indent=2)
        session.out.print([outcome_line(loop), why])
    return status


# --- the specification ---------------------------------------------------------------------------------------------


def _limits(given: GivenValues) -> dict[str, Any]:
    """The limits that were given with --resume. Raises Problem when another option was given."""
    changed = {name: value for name, value in given.values.items() if name not in WITH_RESUME}
    for name in changed:
        if name not in LIMITS:
            shown = "a desired state" if name == options.DESIRED_STATE.name else f"--{name}"
            raise invalid(
                f"cannot use {shown} together with --resume: the specification of the loop does not change",
                "start a new loop for another one",
            )
    return {name.replace("-", "_"): value for name, value in changed.items()}


def _prepared(given: GivenValues, settings: Settings) -> LoopSpec:
    from ftl2_enterprise.wiring.loops import build  # noqa: PLC0415 - ftl2 takes half a second to import

    text, source = read_desired_state(given.maybe("desired-state"), given.maybe("file"))
    limits, mode = settings.section(LoopSettings), Mode(given.maybe("mode") or Mode.SINGLE)
    name = given.maybe("name")
    if name is None:
        name = name_for(text, source, dry_run=given.has("dry-run"))
    check_name(name)
    check_interval(mode, given.maybe_float("interval"))
    spec = LoopSpec(
        name=name,
        desired_state=text,
        mode=mode,
        decider=given.maybe("decider") or "auto",
        source=source,
        inventory=given.maybe("inventory"),
        policy=given.maybe("policy"),
        environment=given.maybe("environment") or "",
        labels=parse_labels(given.many("label")),
        rules_dir=given.maybe("rules-dir"),
        secrets=given.many("secret"),
        max_iterations=given.maybe_number("max-iterations") or limits.max_iterations,
        interval=given.maybe_float("interval") or limits.interval,
        dry_run=given.has("dry-run"),
        run_checks=given.has("run-checks"),
        max_ask_delay=given.number("max-ask-delay", 0),
        model=given.maybe("model"),
        max_cost=given.maybe_float("max-cost"),
        max_tokens=given.maybe_number("max-tokens"),
        action_timeout=given.maybe_float("action-timeout") or limits.action_timeout,
        prompt_timeout=limits.prompt_timeout,
        remediation=LoopRemediation(given.maybe("remediation") or limits.remediation),
    )
    check_ask_delay(spec)
    return build.prepare(spec, settings)


# --- the loop ------------------------------------------------------------------------------------------------------


def _open(settings: Settings) -> Store:
    from ftl2_enterprise.wiring.loops import build  # noqa: PLC0415

    return build.open_database(settings, create=True)


def _create(store: Store, spec: LoopSpec, *, is_named: bool) -> Loop:
    from ftl2_enterprise.core.faults import reach  # noqa: PLC0415
    from ftl2_enterprise.loops.fault_points import LoopFaultPoint  # noqa: PLC0415
    from ftl2_enterprise.loops.rows import loop_names, loops  # noqa: PLC0415

    with store.write() as tx:
        name = spec.name if is_named else loop_names.free_name(tx, spec.name)
        loop = loops.create_loop(tx, msgspec.structs.replace(spec, name=name))
    reach(LoopFaultPoint.LOOP_CREATED)
    return loop


def _find(store: Store, ref: str) -> Loop:
    from ftl2_enterprise.loops.rows import loops  # noqa: PLC0415

    with store.read() as tx:
        return loops.get_loop(tx, ref)


def _give_lookups(narrator: Narrator, store: Store) -> None:
    from ftl2_enterprise.loops.rows import actions as action_rows, prompts as prompt_rows  # noqa: PLC0415
    from ftl2_enterprise.store import texts  # noqa: PLC0415

    def action(action_id: int) -> Action:
        with store.read() as tx:
            return action_rows.get_action(tx, action_id)

    def prompt(prompt_id: int) -> Prompt:
        with store.read() as tx:
            return prompt_rows.get_prompt(tx, prompt_id)

    def whole(text: StoredText) -> str:
        with store.read() as tx:
            return texts.whole(tx, text)

    narrator.lookup, narrator.lookup_prompt, narrator.lookup_text = action, prompt, whole


def _approval(store: Store, prompt: Prompt) -> ApprovalDetail | None:
    from ftl2_enterprise.loops.handlers.prompts import approval_of  # noqa: PLC0415

    with store.read() as tx:
        return approval_of(tx, prompt)


def _people(
    session: CliSession, shown: Progress, *, silent: bool, non_interactive: bool
) -> NonInteractivePeople | TerminalPeople:
    if non_interactive:
        return NonInteractivePeople()
    # When standard output is a file or JSON, questions go to standard error.
    to_stderr = silent or not session.out.is_terminal
    return TerminalPeople(painter(sys.stderr) if to_stderr and is_asked_here() else session.out, shown)


def _with_resume(problem: Problem, session: CliSession, loop: Loop) -> Problem:
    """The problem with how to resume the loop once the cause is gone; the loop is recorded."""
    if problem.code is not Code.UNAVAILABLE:
        return problem
    resume = f"{session.command()} run --resume {quoted(loop.name)}"
    hint = f"{problem.hint}; then: {resume}" if problem.hint else f"then: {resume}"
    return Problem(problem.code, problem.message, hint=hint)


COMMAND = Command(
    summary="Run a loop in the foreground, without a service: observe, decide and execute until it has converged.",
    group=LOOPS,
    run=run,
    arguments=(options.DESIRED_STATE,),
    options=(
        options.FILE,
        options.inventory("this machine"),
        options.NAME,
        options.MODE,
        options.MAX_ITERATIONS,
        options.INTERVAL,
        options.DRY_RUN,
        options.RUN_CHECKS,
        Option("quiet", "Print only the summary, or the error."),
        options.REMEDIATION,
        options.POLICY,
        options.ENVIRONMENT,
        options.LABEL,
        options.RULES_DIR,
        Option(
            "secret",
            "Bind a secret to a parameter of a module, from a variable of the environment.",
            TEXT,
            short="s",
            value="MODULE.PARAM=ENV_VAR",
            many=True,
        ),
        Option(
            "non-interactive", "Do not ask: take defaults, else first options. Do not wait for the end of a freeze."
        ),
        options.MAX_ASK_DELAY,
        options.DECIDER,
        options.MODEL,
        options.MAX_COST,
        options.MAX_TOKENS,
        options.ACTION_TIMEOUT,
        Option("resume", "Resume a loop that has not converged; limits may be changed.", TEXT, value="LOOP"),
        Option("json", "Print one JSON document at the end, and nothing else."),
    ),
    details=(
        "The desired state is a sentence for a model, or the file name of a manifest (site.yaml). Without a model, "
        "rules alone decide. Every step is recorded; `history` shows it, and `--resume` continues after a stop or a "
        "crash."
    ),
    examples=(
        Example("run site.yaml"),
        Example("run site.yaml -i hosts.yaml --dry-run"),
        Example("run --resume site"),
    ),
)
