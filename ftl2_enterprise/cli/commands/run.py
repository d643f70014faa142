"""`run`: make a desired state true, in this process."""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.core import ParameterSource

from ftl2_enterprise.cli import run_foreground, run_options
from ftl2_enterprise.cli.progress import Progress, progress
from ftl2_enterprise.cli.prompter import NonInteractivePeople, TerminalPeople, is_asked_here
from ftl2_enterprise.cli.summary import summary
from ftl2_enterprise.core import interrupt
from ftl2_enterprise.core.problem import Code, Problem, invalid
from ftl2_enterprise.loops.naming import check_name, name_for
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec, LoopState, Mode, Prompt, PromptState
from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.exit_status import exit_of
from ftl2_enterprise.render.loops import desired_state, narrator
from ftl2_enterprise.render.loops.state_words import outcome_line
from ftl2_enterprise.render.text import Role, duration, line

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import Session
    from ftl2_enterprise.core.settings import Settings
    from ftl2_enterprise.protocol.loops.nouns import Action
    from ftl2_enterprise.render.loops.narrator import Narrator, Tally
    from ftl2_enterprise.store.database import Store

WITH_RESUME = {"resume", "quiet", "as_json", "non_interactive"}
"""Options that do not change what the loop was asked with."""
LIMITS = {"max_iterations", "interval", "max_ask_delay", "max_cost", "action_timeout"}
"""What a loop may go on with differently; what it is to reach, where and by which rules stays as it was."""


@click.command("run")
@run_options.DESIRED_STATE
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    help="Read the desired state, or a manifest, from FILE; `-` is standard input.",
)
@click.option("-i", "--inventory", metavar="FILE", help="The hosts; this machine when not given.")
@run_options.NAME
@run_options.MODE
@click.option("--max-iterations", type=click.IntRange(min=1), help="Iterations of one run.  [default: 10]")
@click.option("--interval", type=click.FloatRange(min=0, min_open=True), help="Seconds between runs.  [default: 60]")
@run_options.DRY_RUN
@click.option("--quiet", is_flag=True, help="Only the summary, or the error.")
@run_options.POLICY
@run_options.ENVIRONMENT
@run_options.RULES_DIR
@click.option("-s", "--secret", "secrets", multiple=True, metavar="MODULE.PARAM=ENV_VAR", help="Bind a secret.")
@click.option("--non-interactive", is_flag=True, help="Ask nobody: take defaults, else first options.")
@click.option(
    "--max-ask-delay",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Ask after N iterations in a row with failures; 0 never.",
)
@run_options.DECIDER
@run_options.MODEL
@run_options.MAX_COST
@click.option(
    "--action-timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for one action.  [default: 300]"
)
@click.option(
    "--resume",
    metavar="LOOP",
    help="Go on with a loop that has not converged; limits may be given anew.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end, and nothing else.")
@click.pass_context
def command(context: click.Context, **options: Any) -> int:
    """Make DESIRED_STATE true: observe, decide, act, and look again until it is.

    The desired state is a sentence for a model, or the name of a manifest (site.yaml). Without a model, rules alone
    decide. Every step is recorded; `history` shows it, and `--resume` goes on after a stop or a crash.
    """
    # Until the loop runs, and has its own way with Ctrl-C, nothing has to be tidied up.
    with interrupt.Fatal():
        return _run(context, context.obj, options)


def _run(context: click.Context, session: Session, options: dict[str, Any]) -> int:
    session.wants_json = options["as_json"]
    begun = time.monotonic()
    if options["resume"] is not None:
        limits = _limits(context)
        store = session.open_store()
        loop = _find(store, options["resume"])
        if loop.state is LoopState.COMPLETED:
            return _had_ended(session, loop, as_json=options["as_json"])
    else:
        limits = {}
        spec = _prepared(options, session.settings)
        store = _open(session.settings)
        loop = _create(store, spec, is_named=options["name"] is not None)
    shown = progress(session.out, silent=options["quiet"] or options["as_json"])
    people = _people(session, shown, silent=options["as_json"], non_interactive=options["non_interactive"])
    _give_lookups(shown.narrator, store)
    header = partial(shown.say, narrator.header(loop))
    try:
        work = run_foreground.run(
            store, loop.id, settings=session.settings, people=people, progress=shown, limits=limits, begun=header
        )
        loop = asyncio.run(work)
    except Problem as problem:
        shown.close()
        raise _with_way_on(problem, session, loop) from problem
    finally:
        shown.close()
    # The event loop has given Ctrl-C its usual way back when it was closed.
    with interrupt.Fatal():
        _report(session, store, loop, shown.narrator.tally, seconds=time.monotonic() - begun, options=options)
    return exit_of(loop)


def _report(
    session: Session, store: Store, loop: Loop, seen: Tally, *, seconds: float, options: dict[str, Any]
) -> None:
    """How it ended. Once resumed, a run is counted whole: what was done before belongs to it."""
    from ftl2_enterprise.cli import run_totals  # noqa: PLC0415
    from ftl2_enterprise.loops.rows import prompts as prompt_rows  # noqa: PLC0415

    with store.read() as tx:
        prompts = prompt_rows.get_prompts(tx, loop.id, state=PromptState.OPEN)
        whole = run_totals.of_run(tx, loop) if options["resume"] is not None and loop.mode is Mode.SINGLE else seen
    if options["as_json"]:
        result = {
            "loop": json_output.document(loop),
            "exit_status": exit_of(loop).value,
            "seen": {**vars(seen), "actions": seen.actions, "seconds": round(seconds, 3)},
            "prompts": json_output.document(prompts),
        }
        session.out.stream.write(json_output.text(result) + "\n")
        return
    took = duration(seconds) + ("" if whole.iterations == seen.iterations else " since it was resumed")
    lines = summary(loop, whole, took=took, prompts=prompts, program=session.program)
    session.out.print(lines if options["quiet"] else [line(), *lines])


def _had_ended(session: Session, loop: Loop, *, as_json: bool) -> int:
    """A loop that is resumed and has got where it was to get, as after a kill between its end and its process's."""
    status = exit_of(loop)
    if as_json:
        result: dict[str, Any] = {
            "loop": json_output.document(loop),
            "exit_status": status.value,
            "seen": None,
            "prompts": [],
        }
        session.out.stream.write(json_output.text(result) + "\n")
    else:
        told = line(("it had ended before: nothing was done now", Role.FAINT), indent=2)
        session.out.print([outcome_line(loop), told])
    return status


# --- what is asked for ---------------------------------------------------------------------------------------------


def _limits(context: click.Context) -> dict[str, Any]:
    """The limits that were given with --resume. Raises Problem when anything else was."""
    given = {
        parameter.name or "": parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in WITH_RESUME
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    }
    for name, option in given.items():
        if name not in LIMITS:
            raise invalid(
                f"cannot use {option} together with --resume: the loop goes on as it was asked for",
                "start a new loop to ask for something else",
            )
    return {name: context.params[name] for name in given}


def _prepared(options: dict[str, Any], settings: Settings) -> LoopSpec:
    from ftl2_enterprise.wiring.loops import build  # noqa: PLC0415 - ftl2 takes half a second to import

    path = options["file"]
    text, source = desired_state.read_desired_state(options["desired_state"], None if path is None else str(path))
    limits, name = settings.loops, options["name"]
    if name is None:
        name = name_for(text, source, dry_run=options["dry_run"])
    check_name(name)
    desired_state.check_interval(Mode(options["mode"]), options["interval"])
    spec = LoopSpec(
        name=name,
        desired_state=text,
        mode=Mode(options["mode"]),
        decider=options["decider"],
        source=source,
        inventory=options["inventory"],
        policy=options["policy"],
        environment=options["environment"],
        rules_dir=options["rules_dir"],
        secrets=list(options["secrets"]),
        max_iterations=options["max_iterations"] or limits.max_iterations,
        interval=options["interval"] or limits.interval,
        dry_run=options["dry_run"],
        max_ask_delay=options["max_ask_delay"],
        model=options["model"],
        max_cost=options["max_cost"],
        action_timeout=options["action_timeout"] or limits.action_timeout,
        prompt_timeout=limits.prompt_timeout,
    )
    return build.prepare(spec, settings)


# --- the loop ------------------------------------------------------------------------------------------------------


def _open(settings: Settings) -> Store:
    from ftl2_enterprise.wiring.loops import build  # noqa: PLC0415

    return build.open_database(settings, create=True)


def _create(store: Store, spec: LoopSpec, *, is_named: bool) -> Loop:
    from ftl2_enterprise.core.faults import FaultPoint, reach  # noqa: PLC0415
    from ftl2_enterprise.loops.rows import loops, service as service_rows  # noqa: PLC0415

    with store.write() as tx:
        name = spec.name if is_named else service_rows.free_name(tx, spec.name)
        loop = loops.create_loop(tx, msgspec.structs.replace(spec, name=name))
    reach(FaultPoint.LOOP_CREATED)
    return loop


def _find(store: Store, ref: str) -> Loop:
    from ftl2_enterprise.loops.rows import loops  # noqa: PLC0415

    with store.read() as tx:
        return loops.get_loop(tx, ref)


def _give_lookups(told: Narrator, store: Store) -> None:
    from ftl2_enterprise.loops.rows import actions as action_rows, prompts as prompt_rows  # noqa: PLC0415

    def action(action_id: int) -> Action:
        with store.read() as tx:
            return action_rows.get_action(tx, action_id)

    def prompt(prompt_id: int) -> Prompt:
        with store.read() as tx:
            return prompt_rows.get_prompt(tx, prompt_id)

    told.lookup, told.lookup_prompt = action, prompt


def _people(
    session: Session, shown: Progress, *, silent: bool, non_interactive: bool
) -> NonInteractivePeople | TerminalPeople:
    if non_interactive:
        return NonInteractivePeople()
    # Where standard output is a file or JSON, the question goes to where the person may look.
    to_stderr = silent or not session.out.is_terminal
    return TerminalPeople(painter(sys.stderr) if to_stderr and is_asked_here() else session.out, shown)


def _with_way_on(problem: Problem, session: Session, loop: Loop) -> Problem:
    """What to do once the cause is gone: the loop is recorded, so it can be resumed."""
    if problem.code is not Code.UNAVAILABLE:
        return problem
    again = " ".join([*session.program, "run", "--resume", loop.name])
    hint = f"{problem.hint}; then: {again}" if problem.hint else f"then: {again}"
    return Problem(problem.code, problem.message, hint=hint)
