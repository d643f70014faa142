"""`update`: change the desired state of a loop."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.commandline.loops import options
from ftl2_enterprise.commandline.loops.desired_state import check_interval, read_desired_state
from ftl2_enterprise.commandline.loops.options import absolute
from ftl2_enterprise.commandline.loops.sent_files import files_of
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.ctl.loops.revision_values import REASON, reason_of, show_change
from ftl2_enterprise.protocol.loops.labels import parse_labels
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, Mode
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, ShowLoop, UpdateLoop
from ftl2_enterprise.render.loops import revisions

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec
    from ftl2_enterprise.protocol.loops.sent_files import SentFile

NUMBERS = ("max_iterations", "max_ask_delay", "max_tokens")
AMOUNTS = ("interval", "action_timeout", "prompt_timeout", "max_cost")
TEXTS = ("environment", "decider", "model")
PATHS = ("inventory", "policy", "rules_dir")


def run(session: CtlSession, given: GivenValues) -> int:
    """Show what changes, and change it."""
    loop = session.call(ShowLoop(loop=given.text("loop"))).loop
    spec = changed_spec(given, loop)
    files = files_of(spec)
    if given.has("preview"):
        found = _preview(session, loop, spec, files)
        session.reply(found, lambda: revisions.difference_lines(found))
        return 0
    request = UpdateLoop(loop=str(loop.id), spec=spec, based_on=loop.revision, reason=reason_of(given), files=files)
    now = session.call(request)
    show_change(session, loop, now)
    return 0


def changed_spec(given: GivenValues, loop: Loop) -> LoopSpec:
    """The specification in force, with what was given. Raises Problem."""
    changes: dict[str, Any] = {}
    if given.maybe("desired-state") is not None or given.maybe("file") is not None:
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


def _preview(session: CtlSession, loop: Loop, spec: LoopSpec, files: list[SentFile]) -> revisions.Difference:
    """What would change, as far as it is known here: which of the files are needed, the service decides."""
    read = {file.path: file.content for file in files}
    digests = {path: hashlib.sha256(content.encode()).hexdigest() for path, content in read.items()}
    stored = {path: digest for path, digest in loop.spec.files.items() if path in read}
    before = msgspec.structs.replace(loop.spec, files=stored)

    def old(path: str) -> str:
        return session.call(GetRevisionFile(loop=str(loop.id), n=loop.revision, path=path)).content

    names = f"revision {loop.revision}", "new"
    after = msgspec.structs.replace(spec, files={**stored, **digests})
    return revisions.difference(before, after, names, old, read.__getitem__)


COMMAND = Command(
    summary="Change the desired state of a loop, which keeps its name, id and history.",
    group=LOOPS,
    run=run,
    verbs=(UpdateLoop, ShowLoop, GetRevision, GetRevisionFile),
    arguments=(
        LOOP,
        options.DESIRED_STATE,
    ),
    options=(
        options.FILE,
        Option("preview", "Show what would change, and change nothing."),
        REASON,
        options.MODE,
        options.INTERVAL,
        options.inventory("the one in force"),
        *options.OF_SERVED_LOOPS,
    ),
    details=(
        "What is not given stays as it is. The files that the desired state names are read again, here. "
        "No action of the earlier revision begins after the reply; one that has begun ends first."
    ),
    examples=(
        Example("update web -f site.yaml"),
        Example("update web -f site.yaml --preview", "shows the difference only"),
        Example("update web --interval 60 --reason 'drift was found late'"),
    ),
)
