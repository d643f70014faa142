"""`update`: change the desired state of a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.commandline.loops import options, sent_files
from ftl2_enterprise.commandline.loops.desired_state import check_interval, read_desired_state
from ftl2_enterprise.commandline.loops.options import absolute
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.ctl.loops.revision_values import BASED_ON, REASON, number_of, reason_of, show_change, typed
from ftl2_enterprise.protocol.loops.labels import parse_labels
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, Mode
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, PreviewUpdate, ShowLoop, UpdateLoop
from ftl2_enterprise.render.loops import revisions

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec

NUMBERS = ("max_iterations", "max_ask_delay", "max_tokens")
AMOUNTS = ("interval", "action_timeout", "prompt_timeout", "max_cost")
TEXTS = ("environment", "decider", "model")
PATHS = ("inventory", "policy", "rules_dir")


def run(session: CtlSession, given: GivenValues) -> int:
    """Show what changes, and change it."""
    loop = session.call(ShowLoop(loop=given.text("loop"))).loop
    spec = changed_spec(given, loop)
    has_text = has_desired_state(given)
    files = sent_files.files(
        spec.inventory if given.has("inventory") else None,
        spec.policy if given.has("policy") else None,
        sent_files.sources_of(spec) if has_text else (),
    )
    keeps = sent_files.kept_files(
        loop.spec, text=has_text, inventory=given.has("inventory"), policy=given.has("policy")
    )
    request = UpdateLoop(
        loop=str(loop.id),
        spec=spec,
        based_on=number_of(given, "based-on", loop.revision),
        reason=reason_of(given),
        files=files,
        keeps=keeps,
    )
    if given.has("preview"):
        found = _preview(session, given, loop, request)
        session.reply(found, lambda: revisions.preview_lines(found))
        return 0
    now = session.call(request)
    show_change(session, loop, now)
    return 0


def has_desired_state(given: GivenValues) -> bool:
    """Whether another text was given."""
    return given.maybe("desired-state") is not None or given.maybe("file") is not None


def changed_spec(given: GivenValues, loop: Loop) -> LoopSpec:
    """The specification in force, with what was given. Raises Problem."""
    changes: dict[str, Any] = {}
    if has_desired_state(given):
        text, source = read_desired_state(given.maybe("desired-state"), given.maybe("file"))
        changes |= {"desired_state": text, "source": source}
    found: dict[str, Any] = {
        **{name: given.maybe_number(name.replace("_", "-")) for name in NUMBERS},
        **{name: given.maybe_float(name.replace("_", "-")) for name in AMOUNTS},
        **{name: given.maybe(name) for name in TEXTS},
        **{name: absolute(given, name.replace("_", "-")) for name in PATHS},
    }
    changes |= {name: value for name, value in found.items() if value is not None}
    if (mode := given.maybe("mode")) is not None:
        changes["mode"] = Mode(mode)
    if (remediation := given.maybe("remediation")) is not None:
        changes["remediation"] = LoopRemediation(remediation)
    if given.has("label"):
        changes["labels"] = parse_labels(given.many("label"))
    if given.has("secret"):
        changes["secrets"] = given.many("secret")
    check_interval(changes.get("mode", loop.mode), given.maybe_float("interval"))
    return msgspec.structs.replace(loop.spec, **changes)


def _preview(session: CtlSession, given: GivenValues, loop: Loop, request: UpdateLoop) -> revisions.UpdatePreview:
    """What would change, as the service would store it. Raises Problem as the update would."""
    after = session.call(
        PreviewUpdate(
            loop=request.loop,
            spec=request.spec,
            based_on=request.based_on,
            files=request.files,
            keeps=request.keeps,
        )
    )
    sent = {file.path: file.content for file in request.files}

    old = revisions.contents(session, request.loop, loop.revision)
    names = f"revision {loop.revision}", "new"
    found = revisions.difference(loop.spec, after, names, old, sent.__getitem__)
    words = typed(COMMAND, given, without=("preview", "based-on"))
    return revisions.UpdatePreview(
        based_on=loop.revision,
        command=session.command(f"update {words} --based-on {loop.revision}"),
        texts=found.texts,
        settings=found.settings,
        raised=revisions.raised(session, loop, after),
    )


COMMAND = Command(
    summary="Change the desired state of a loop, which keeps its name, id and history.",
    group=LOOPS,
    run=run,
    verbs=(UpdateLoop, PreviewUpdate, ShowLoop, GetRevision, GetRevisionFile),
    arguments=(
        LOOP,
        options.DESIRED_STATE,
    ),
    options=(
        options.FILE,
        Option("preview", "Show what would change, and change nothing."),
        BASED_ON,
        REASON,
        *(
            msgspec.structs.replace(option, default="")
            for option in (
                options.MODE,
                options.INTERVAL,
                options.inventory("the one in force"),
                *options.OF_SERVED_LOOPS,
            )
        ),
    ),
    details=(
        "What is not given stays as it is, and so do the files that were sent with it. A manifest that is given is "
        "read here with the files that it names, and so is an inventory or a policy. "
        "No action of the earlier revision begins after the reply; one that has begun ends first."
    ),
    examples=(
        Example("update web -f site.yaml"),
        Example("update web -f site.yaml --preview", "shows the difference only"),
        Example("update web -f site.yaml --based-on 4", "refused if another revision than 4 is in force"),
        Example("update web --interval 60 --reason 'drift was found late'"),
    ),
)
