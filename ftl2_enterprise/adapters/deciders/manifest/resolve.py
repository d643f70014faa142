"""Second step of loading a manifest: resolves the references in it.

Variables get their values, hosts are rendered, the files of `copy` and `template` are read, and every template is
parsed to find the variables, answers and observations that it reads. A reference to nothing is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest import (
    literal_secrets,
    secrets as manifest_secrets,
    template as manifest_template,
)
from ftl2_enterprise.adapters.deciders.manifest.parse import nearest
from ftl2_enterprise.adapters.deciders.manifest.template import NOTHING, CannotRender, References
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.core.source_files import ON_DISK, SourceFiles, unreadable
from ftl2_enterprise.protocol.loops.manifest import CopyParams, TemplateParams

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ftl2_enterprise.adapters.deciders.manifest.parse import (
        ParsedAction,
        ParsedManifest,
        ParsedStep,
        PathParams,
    )
    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Document, Where
    from ftl2_enterprise.protocol.loops.manifest import Manifest, ManifestObservation, Step


@dataclass(frozen=True, kw_only=True)
class ResolvedAction:
    """One action of a step, with the content of the file that it names."""

    where: Where
    module: str
    params: Mapping[str, Any]
    reason: str | None = None
    path_params: PathParams | None = None
    text: str | None = None
    """The content of the file `src` of copy or template. It is read once, so later edits do not affect the loop."""
    reads: References = NOTHING


@dataclass(frozen=True, kw_only=True)
class ResolvedObservation:
    """A named observation with the hosts and groups on which it is made."""

    where: Where
    entry: ManifestObservation
    targets: tuple[str, ...]
    reads: References


@dataclass(frozen=True, kw_only=True)
class ResolvedStep:
    """One step, with its hosts and groups and the references of each of its parts."""

    where: Where
    step: Step
    targets: tuple[str, ...]
    actions: tuple[ResolvedAction, ...]
    when_reads: References
    observe_reads: References
    """What its check reads to observe; without a check, what the paths of its actions read."""
    expect_reads: References
    """What its check reads to compare; without a check, everything that its actions read."""


@dataclass(frozen=True, kw_only=True)
class ResolvedManifest:
    """A manifest in which all references are resolved."""

    document: Document
    manifest: Manifest
    directory: Path
    vars: Mapping[str, Any]
    observations: tuple[ResolvedObservation, ...]
    steps: tuple[ResolvedStep, ...]


def resolve(parsed: ParsedManifest, given: Mapping[str, Any], sources: SourceFiles = ON_DISK) -> ResolvedManifest:
    """Resolve the references; `given` replaces values of variables. Raises Problem(invalid)."""
    _check_names(parsed.document, parsed.manifest)
    settled = _settle_vars(parsed.document, parsed.manifest, parsed.directory, given)
    resolver = _Resolver(parsed=parsed, vars=settled, sources=sources)
    return ResolvedManifest(
        document=parsed.document,
        manifest=parsed.manifest,
        directory=parsed.directory,
        vars=settled,
        observations=tuple(resolver.observation(n, entry) for n, entry in enumerate(parsed.manifest.observe)),
        steps=tuple(resolver.step(step) for step in parsed.steps),
    )


def early_scope(values: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The scope of templates that are rendered before any question or observation."""
    return {"vars": values, "manifest_dir": str(directory)}


# --- names of steps, questions and observations --------------------------------------------------------------------


def _check_names(document: Document, manifest: Manifest) -> None:
    _refuse_repeats(document, "questions", "key", [question.key for question in manifest.questions])
    _refuse_repeats(document, "observe", "name", [entry.name for entry in manifest.observe])
    _refuse_repeats(document, "steps", "name", [step.name for step in manifest.steps])
    names = [step.name for step in manifest.steps]
    for n, step in enumerate(manifest.steps):
        for m, required in enumerate(step.requires):
            if required not in names:
                what = f"the step {step.name!r} requires {required!r}, which is not a step"
                raise document.problem(("steps", n, "requires", m), what, nearest(required, names))
    _refuse_circles(document, manifest.steps)


def _refuse_repeats(document: Document, section: str, field: str, names: list[str]) -> None:
    for n, name in enumerate(names):
        if name in names[:n]:
            first = document.line((section, names.index(name), field))
            raise document.problem(
                (section, n, field), f"{section} has {name!r} twice; it is already on line {first}"
            )


def _refuse_circles(document: Document, steps: list[Step]) -> None:
    requires = {step.name: step.requires for step in steps}
    finished: set[str] = set()

    for n, step in enumerate(steps):
        trail: list[str] = []
        todo: list[tuple[str, bool]] = [(step.name, False)]
        while todo:
            name, leaving = todo.pop()
            if leaving:
                trail.pop()
                finished.add(name)
            elif name in trail:
                circle = " -> ".join([*trail[trail.index(name) :], name])
                raise document.problem(("steps", n, "requires"), f"steps require each other in a circle: {circle}")
            elif name not in finished:
                trail.append(name)
                todo.append((name, True))
                todo.extend((required, False) for required in requires[name])


# --- variables -----------------------------------------------------------------------------------------------------


def _settle_vars(document: Document, manifest: Manifest, directory: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in manifest.vars:
            raise invalid(
                f"cannot set the variable {name!r}: {document.source} has no variable of that name",
                nearest(name, manifest.vars),
            )
    _refuse_literal_secrets(document, manifest)
    settled: dict[str, Any] = {}
    for name, value in manifest.vars.items():
        where = ("vars", name)
        try:
            reads = manifest_template.references(value)
            if other := sorted(reads.names - manifest_template.BUILT_IN - manifest_template.EARLY):
                raise document.problem(where, f"the variable {name!r} reads {other[0]!r}, but may read only vars")
            scope = early_scope(settled, directory)
            settled[name] = given[name] if name in given else manifest_template.render(value, scope)
        except manifest_template.CannotRender as error:
            hint = "a variable may use only those above it" if "undefined" in str(error) else manifest_template.LIMITS
            raise document.problem(where, f"the variable {name!r}: {error}", hint) from None
    return settled


def _refuse_literal_secrets(document: Document, manifest: Manifest) -> None:
    for n, name in enumerate(manifest.allow_literal):
        if name not in manifest.vars:
            what = f"allow_literal names {name!r}, but there is no variable of that name"
            raise document.problem(("allow_literal", n), what, nearest(name, manifest.vars))
    for name, value in manifest.vars.items():
        why = None if name in manifest.allow_literal else literal_secrets.find(name, value)
        if why is not None:
            raise document.problem(
                ("vars", name),
                f"the variable {name!r} {why}, and a manifest is stored and shown",
                "list it under `secrets:`, and read it as secrets.NAME; or bind the parameter that needs it, with "
                "--secret MODULE.PARAM=credential:NAME or =ENV_VAR; if it is no secret, add "
                f"`allow_literal: [{name}]`",
            )


# --- observations and steps ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Resolver:
    parsed: ParsedManifest
    vars: Mapping[str, Any]
    sources: SourceFiles

    def _without_secrets(self, where: Where, reads: References) -> References:
        for name in sorted(reads.secrets):
            what = f"secrets.{name} cannot be used here"
            raise self._problem(where, what, manifest_secrets.WHERE)
        return reads

    def observation(self, n: int, entry: ManifestObservation) -> ResolvedObservation:
        where: Where = ("observe", n)
        reads = self._reads((*where, "params"), entry.params)
        return ResolvedObservation(where=where, entry=entry, targets=self._targets(where, entry.host), reads=reads)

    def step(self, parsed: ParsedStep) -> ResolvedStep:
        step, where = parsed.step, parsed.where
        actions = tuple(self._action(action) for action in parsed.actions)
        for action in actions:
            self._check_secrets(action)
        if step.check is None:
            paths = [action.params.get("path") or action.params.get("dest") for action in actions]
            observe_reads = self._reads(where, paths)
            expect_reads = combined(action.reads for action in actions)
        else:
            place: Where = (*where, "check")
            observe = step.check.observe
            observe_reads = self._reads(
                place, [step.check.command, step.check.path, observe.params if observe else None]
            )
            expect = step.check.expect
            values = [one.value for one in expect] if isinstance(expect, list) else list(expect.values())
            expect_reads = self._reads(place, step.check.mode) | self._reads((*place, "expect"), values)
        return ResolvedStep(
            where=where,
            step=step,
            when_reads=self._when_reads(where, step),
            targets=self._targets(where, step.host),
            actions=actions,
            observe_reads=observe_reads,
            expect_reads=expect_reads,
        )

    def _problem(self, where: Where, what: str, hint: str | None = None) -> Problem:
        return self.parsed.document.problem(where, what, hint)

    def _render(self, value: Any) -> Any:
        return manifest_template.render(value, early_scope(self.vars, self.parsed.directory))

    def _targets(self, where: Where, host: str | list[str]) -> tuple[str, ...]:
        names = [host] if isinstance(host, str) else host
        try:
            rendered = [str(self._render(name)).strip() for name in names]
        except CannotRender as error:
            raise self._problem((*where, "host"), f"the host: {error}", "a host may read only vars") from None
        if not rendered or not all(rendered):
            raise self._problem((*where, "host"), "the host is empty")
        return tuple(dict.fromkeys(rendered))

    def _action(self, action: ParsedAction) -> ResolvedAction:
        where = action.where
        place = where if action.path_params is not None else (*where, "params")
        reads = self._reads(place, action.params, with_secrets=True)
        if action.reason is not None:
            self._reads(where, action.reason)
        text = None
        match action.path_params:
            # The file is not read if `content` is given, too: validation refuses the combination.
            case CopyParams(src=str(src), content=None):
                text = self._file((*where, "src"), src)
            case TemplateParams(src=src) as params:
                text = self._file((*where, "src"), src)
                reads |= self._template_reads((*where, "src"), params, text)
            case _:
                pass
        return ResolvedAction(
            where=where,
            module=action.module,
            params=action.params,
            reason=action.reason,
            path_params=action.path_params,
            text=text,
            reads=reads,
        )

    def _check_secrets(self, action: ResolvedAction) -> None:
        for name, value in action.params.items():
            secrets = sorted(manifest_template.references(value).secrets)
            why = manifest_secrets.why_not(action.module, name, action.path_params) if secrets else None
            if why is not None:
                raise self._problem((*action.where, name), f"secrets.{secrets[0]} {why}", manifest_secrets.WHERE)

    def _file(self, where: Where, src: str) -> str:
        directory = self.parsed.directory
        try:
            path = directory / str(self._render(src))
            return self.sources.of(path).read(path).decode()
        except CannotRender as error:
            raise self._problem(where, f"src: {error}", "src may read only vars") from None
        except FileNotFoundError:
            raise self._problem(where, f"the file {src!r} does not exist in {directory}") from None
        except UnicodeDecodeError:
            raise self._problem(where, f"the file {src!r} is not UTF-8 text") from None
        except (OSError, ValueError) as error:
            refused = unreadable(f"cannot read the file {src!r}", error)
            what = f"the file {src!r} cannot be read: {refused.message.partition(': ')[2]}"
            raise self._problem(where, what, refused.hint) from None

    # --- what templates read ---------------------------------------------------------------------------------------

    def _template_reads(self, where: Where, params: TemplateParams, text: str) -> References:
        try:
            reads = manifest_template.references(text)
        except CannotRender as error:
            raise self._problem(where, f"the template {params.src!r}: {error}") from None
        return self._known(where, reads, params.variables, within=f"the template {params.src!r} reads")

    def _when_reads(self, where: Where, step: Step) -> References:
        if isinstance(step.when, bool):
            return NOTHING
        try:
            reads = manifest_template.expression_references(step.when)
        except CannotRender as error:
            raise self._problem((*where, "when"), f"`when` of {step.name!r}: {error}") from None
        self._without_secrets((*where, "when"), reads)
        return self._known((*where, "when"), reads, {}, within=f"`when` of {step.name!r} reads")

    def _reads(self, where: Where, value: Any, *, with_secrets: bool = False) -> References:
        try:
            reads = manifest_template.references(value)
        except CannotRender as error:
            raise self._problem(
                where, f"a template here: {error}", "write {% raw %} around text that is not one"
            ) from None
        if not with_secrets:
            self._without_secrets(where, reads)
        return self._known(where, reads, {}, within="a template here reads")

    def _known(self, where: Where, reads: References, more: Mapping[str, Any], *, within: str) -> References:
        """The references. Raises Problem(invalid) for the first one that refers to nothing."""
        manifest = self.parsed.manifest
        asked = {question.key for question in manifest.questions if question.secret}
        roots = manifest_template.ROOTS | manifest_template.BUILT_IN | set(more)
        for used, known, prefix in (
            (reads.names, roots, ""),
            (reads.vars, manifest.vars.keys(), "vars."),
            (reads.answers, {question.key for question in manifest.questions} - asked, "answers."),
            (reads.observed, {entry.name for entry in manifest.observe}, "observed."),
            (reads.secrets, manifest.secrets.keys() | asked, "secrets."),
        ):
            for name in sorted(used - known):
                close = get_close_matches(name, sorted(set(known) - manifest_template.BUILT_IN), n=1, cutoff=0.5)
                hint = f"did you mean {prefix}{close[0]}?" if close else None
                if not prefix and name in manifest.vars:
                    hint = f"did you mean vars.{name}?"
                if prefix == "answers." and name in asked:
                    hint = f"the answer is a secret: write secrets.{name}"
                raise self._problem(where, f"{within} {prefix}{name}, which does not exist", hint)
        return reads


def combined(several: Iterable[References]) -> References:
    """The union of the references."""
    total = NOTHING
    for one in several:
        total |= one
    return total
