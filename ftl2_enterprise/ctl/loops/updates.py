"""The change of a desired state that a command line requests, and what it would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.commandline.declaration import TEXT, Option
from ftl2_enterprise.commandline.loops import sent_files
from ftl2_enterprise.commandline.loops.desired_state import check_ask_delay, check_interval, read_desired_state
from ftl2_enterprise.commandline.loops.options import absolute
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loops.revision_values import reason_of
from ftl2_enterprise.protocol.loops.labels import parse_labels
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, Mode
from ftl2_enterprise.protocol.loops.verbs import PreviewUpdate, UpdateLoop
from ftl2_enterprise.render.loops import revisions

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec

NUMBERS = ("max_iterations", "max_ask_delay", "max_tokens")
AMOUNTS = ("interval", "action_timeout", "prompt_timeout", "max_cost")
TEXTS = ("environment", "decider", "model")
PATHS = ("inventory", "policy", "rules_dir")


UNSET: dict[str, tuple[str, Any]] = {
    "inventory": ("inventory", None),
    "policy": ("policy", None),
    "environment": ("environment", ""),
    "label": ("labels", {}),
    "rules-dir": ("rules_dir", None),
    "secret": ("secrets", []),
    "model": ("model", None),
    "max-cost": ("max_cost", None),
    "max-tokens": ("max_tokens", None),
    "prompt-timeout": ("prompt_timeout", None),
}
"""Options whose value can be removed: the setting, and its value without the option."""
UNSET_OPTION = Option(
    "unset",
    "Remove the value of an option, as if it had not been given; `label` and `secret` remove all of them.",
    TEXT,
    value="OPTION",
    choices=tuple(UNSET),
    many=True,
)


def update_of(
    given: GivenValues, loop: Loop, *, based_on: int | None = None, desired: tuple[str, str | None] | None = None
) -> UpdateLoop:
    """The request, with the files that the command line names. Raises Problem.

    `desired` is the desired state, if it was read already: standard input can be read once only.
    """
    if desired is None and has_desired_state(given):
        desired = read_desired_state(given.maybe("desired-state"), given.maybe("file"))
    spec = changed_spec(given, loop, desired)
    unset = given.many("unset")
    files = sent_files.files(
        spec.inventory if given.has("inventory") else None,
        spec.policy if given.has("policy") else None,
        sent_files.sources_of(spec) if desired is not None else (),
    )
    keeps = sent_files.kept_files(
        loop.spec,
        text=desired is not None,
        inventory=given.has("inventory") or "inventory" in unset,
        policy=given.has("policy") or "policy" in unset,
    )
    return UpdateLoop(
        loop=str(loop.id),
        spec=spec,
        based_on=loop.revision if based_on is None else based_on,
        reason=reason_of(given),
        files=files,
        keeps=keeps,
    )


def difference_of(session: CtlSession, loop: Loop, request: UpdateLoop) -> revisions.Difference:
    """What the update would change, as the service would store it. Raises Problem as the update would."""
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
    found = revisions.difference(loop.spec, after, (f"revision {loop.revision}", "new"), old, sent.__getitem__)
    return msgspec.structs.replace(
        found,
        raised=revisions.raised(session, loop, after),
        notes=revisions.without_effect(loop.spec, request.spec, after),
    )


def has_desired_state(given: GivenValues) -> bool:
    """Whether another text was given."""
    return given.maybe("desired-state") is not None or given.maybe("file") is not None


def changed_spec(given: GivenValues, loop: Loop, desired: tuple[str, str | None] | None) -> LoopSpec:
    """The specification in force, with what was given. Raises Problem."""
    changes: dict[str, Any] = {}
    for option in given.many("unset"):
        if given.has(option):
            raise invalid(f"cannot give --{option} together with --unset {option}", "leave out one of them")
        name, value = UNSET[option]
        changes[name] = value
    if desired is not None:
        changes |= dict(zip(("desired_state", "source"), desired, strict=True))
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
    spec = msgspec.structs.replace(loop.spec, **changes)
    if changes.keys() & {"mode", "max_iterations", "max_ask_delay"}:
        check_ask_delay(spec)
    return spec
