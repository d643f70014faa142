"""Third step of loading a manifest: refuses invalid combinations and values.

A valid step has exactly one kind of check, so that later code does not have to consider combinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest import template as manifest_template
from ftl2_enterprise.adapters.deciders.manifest.paths import mode_fault, path_fault, path_of
from ftl2_enterprise.adapters.deciders.manifest.resolve import early_scope
from ftl2_enterprise.adapters.deciders.manifest.template import CannotRender, References
from ftl2_enterprise.core.redact import is_sensitive
from ftl2_enterprise.protocol.loops.decision import Operator
from ftl2_enterprise.protocol.loops.labels import label_fault
from ftl2_enterprise.protocol.loops.manifest import CopyParams, Expect, FileParams, FileState, StepCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.adapters.deciders.manifest.resolve import (
        ResolvedAction,
        ResolvedManifest,
        ResolvedObservation,
        ResolvedStep,
    )
    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Where
    from ftl2_enterprise.core.problem import Problem
    from ftl2_enterprise.protocol.loops.manifest import Question

_NOT_FOR_OBSERVATIONS = "observations are made before anything is decided, so they cannot read what was observed"


@dataclass(frozen=True, kw_only=True)
class ObservationCheck:
    """The step is in place when the result of a module is as expected."""

    module: str
    params: Mapping[str, Any]
    expect: tuple[Expect, ...]


@dataclass(frozen=True, kw_only=True)
class CommandCheck:
    """The step is in place when a shell command ends with 0 and its result is as expected."""

    command: str
    expect: tuple[Expect, ...]


@dataclass(frozen=True, kw_only=True)
class PathCheck:
    """The step is in place when a path exists, with this state and mode where they are given."""

    path: str
    state: FileState | None
    mode: str | int | None


type ManifestCheck = ObservationCheck | CommandCheck | PathCheck


@dataclass(frozen=True, kw_only=True)
class ValidStep:
    """A step with one valid check."""

    resolved: ResolvedStep
    check: ManifestCheck | None
    """None when the check is derived from the actions, all of which then have path parameters."""


@dataclass(frozen=True, kw_only=True)
class ValidManifest:
    """A manifest that is valid as far as can be checked without its hosts."""

    resolved: ResolvedManifest
    steps: tuple[ValidStep, ...]


def validate(resolved: ResolvedManifest) -> ValidManifest:
    """Check everything that can be checked without touching a host. Raises Problem(invalid)."""
    validator = _Validator(resolved=resolved)
    validator.check_labels()
    validator.check_questions()
    for one in resolved.observations:
        validator.check_observation(one)
    return ValidManifest(resolved=resolved, steps=tuple(validator.step(step) for step in resolved.steps))


@dataclass(frozen=True, kw_only=True)
class _Validator:
    resolved: ResolvedManifest

    def check_labels(self) -> None:
        fault = label_fault(self.resolved.manifest.labels)
        if fault is not None:
            raise self._problem(("labels",), f"labels has {fault[0]}", fault[1])

    def check_questions(self) -> None:
        for n, question in enumerate(self.resolved.manifest.questions):
            options = [str(option) for option in question.options]
            if question.default is not None and options and str(question.default) not in options:
                what = f"the default {question.default!r} of the question {question.key!r} is not one of its options"
                raise self._problem(("questions", n, "default"), what, f"options: {', '.join(options)}")
            if question.secret:
                self._check_secret(n, question)
            elif not options and is_sensitive(question.key):
                what = f"the question {question.key!r} has the name of a secret, and answers are stored and shown"
                hint = (
                    f"give it `secret: true`, and read it as secrets.{question.key}; if it is no secret, give it "
                    "another key"
                )
                raise self._problem(("questions", n, "key"), what, hint)

    def _check_secret(self, n: int, question: Question) -> None:
        name = f"the question {question.key!r}, whose answer is a secret,"
        for key, given in (("options", question.options), ("default", question.default)):
            if given not in (None, []):
                hint = "leave it out: it would be stored and shown"
                raise self._problem(("questions", n, key), f"{name} has `{key}`", hint)
        if question.key in self.resolved.manifest.secrets:
            hint = "a secret has a source, or is asked for: remove one of the two"
            raise self._problem(("questions", n, "key"), f"{name} is listed under `secrets` too", hint)

    def check_observation(self, named: ResolvedObservation) -> None:
        if _reads_observed(named.reads):
            what = f"the observation {named.entry.name!r} reads observed"
            raise self._problem((*named.where, "params"), what, _NOT_FOR_OBSERVATIONS)

    def step(self, resolved: ResolvedStep) -> ValidStep:
        name = resolved.step.name
        keys = [key for key in ("file", "copy", "template", "action", "actions") if getattr(resolved.step, key)]
        if len(keys) != 1:
            what = f"has {' and '.join(f'`{key}`' for key in keys)}" if keys else "has nothing to do"
            hint = "give exactly one of file, copy, template, action and actions"
            raise self._problem(resolved.where, f"the step {name!r} {what}", hint)
        for action in resolved.actions:
            self._check_action(action)
        check = self._check(resolved)
        if _reads_observed(resolved.observe_reads):
            what = f"the step {name!r} reads observed in what it observes"
            raise self._problem(resolved.where, what, _NOT_FOR_OBSERVATIONS)
        return ValidStep(resolved=resolved, check=check)

    def _problem(self, where: Where, what: str, hint: str | None = None) -> Problem:
        return self.resolved.document.problem(where, what, hint)

    def _check_action(self, action: ResolvedAction) -> None:
        match action.path_params:
            case None:
                return
            case FileParams(state=FileState.LINK, src=None):
                raise self._problem(action.where, "a link needs `src`, its target")
            case CopyParams() as params if (params.content is None) == (params.src is None):
                raise self._problem(action.where, "copy needs exactly one of `content` and `src`")
            case _:
                key, path = path_of(action.params)
                self._check_path((*action.where, key), path, action.params.get("mode"))

    def _check(self, resolved: ResolvedStep) -> ManifestCheck | None:
        check, where = resolved.step.check, (*resolved.where, "check")
        if check is None:
            for action in resolved.actions:
                if action.path_params is None:
                    what = f"has no check, and none follows from the module {action.module!r}"
                    hint = "add `check:` with command, path or observe"
                    raise self._problem(resolved.where, f"the step {resolved.step.name!r} {what}", hint)
            return None
        if sum(bool(one) for one in (check.observe, check.command, check.path)) != 1:
            raise self._problem(where, "a check needs exactly one of `observe`, `command` and `path`")
        if check.path is None and (check.state is not None or check.mode is not None):
            raise self._problem(where, "`state` and `mode` belong to a check with `path`")
        if check.path is not None:
            if check.expect:
                raise self._problem((*where, "expect"), "`expect` belongs to a check with `observe` or `command`")
            self._check_path(where, check.path, check.mode)
            return PathCheck(path=check.path, state=check.state, mode=check.mode)
        if check.observe is not None:
            if not check.expect:
                hint = "describe the expected result"
                raise self._problem(where, "a check with `observe` needs `expect`", hint)
            observe = check.observe
            return ObservationCheck(module=observe.module, params=observe.params, expect=_expectations(check))
        return CommandCheck(command=check.command or "", expect=_expectations(check))

    def _check_path(self, where: Where, path: Any, mode: str | int | None) -> None:
        """Refuse an invalid path or mode now, unless it depends on answers or observations."""
        scope = early_scope(self.resolved.vars, self.resolved.directory)
        for value, fault_of in ((path, path_fault), (mode, mode_fault)):
            late = manifest_template.references(value).names - manifest_template.EARLY - manifest_template.BUILT_IN
            if value is None or late:
                continue
            try:
                fault = fault_of(manifest_template.render(value, scope))
            except CannotRender as error:
                fault = str(error)
            if fault:
                raise self._problem(where, fault)


def _reads_observed(reads: References) -> bool:
    return bool(reads.observed) or "observed" in reads.names


def _expectations(check: StepCheck) -> tuple[Expect, ...]:
    if isinstance(check.expect, list):
        return tuple(check.expect)
    return tuple(Expect(path=path, op=Operator.EQUALS, value=value) for path, value in check.expect.items())
