"""Where each step stands on each host, judged from what was seen. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest import file_checks, template as manifest_template
from ftl2_enterprise.adapters.deciders.manifest.file_checks import Looked, Want
from ftl2_enterprise.adapters.deciders.manifest.steps import Prepared, PreparedLook, wanted
from ftl2_enterprise.adapters.deciders.manifest.template import CannotRender, References
from ftl2_enterprise.loops.engine import check as engine_check
from ftl2_enterprise.loops.ports import ObservationResult, PromptAnswer
from ftl2_enterprise.protocol.loops.decision import Expectation, ObservationSpec, Operator
from ftl2_enterprise.protocol.loops.manifest import FileState
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.deciders.manifest.load import LoadedManifest
    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Where

type Expand = Callable[[str], Sequence[str]]

PREFIX = "manifest:"
_FILES = "files"


class Standing(StrEnum):
    """Where a step stands on a host."""

    IN_PLACE = "in place"
    OUT_OF_PLACE = "out of place"
    UNKNOWN = "unknown"
    UNANSWERED = "unanswered"
    NOT_WANTED = "not wanted"
    LEFT_OUT = "left out"


SETTLED = frozenset({Standing.IN_PLACE, Standing.NOT_WANTED})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Where one step stands on one host, and why."""

    standing: Standing
    lines: tuple[str, ...] = ()
    works: tuple[int, ...] = ()
    """Which of its actions would put it in place."""
    why: Mapping[int, str] = field(default_factory=dict[int, str])
    """By action: what it would mend, where that is known for each."""
    key: str | None = None
    """The question that has to be answered first."""


class CannotJudge(Exception):
    """The manifest itself is at fault in a way that only shows on a host; carries the place."""

    def __init__(self, where: Where, why: str) -> None:
        super().__init__(why)
        self.where: Where = where
        self.why: str = why


def told(loaded: LoadedManifest, answers: Iterable[PromptAnswer]) -> tuple[dict[str, str], set[str]]:
    """What is known by key, and the questions without a default that nobody answered; the last answer counts."""
    questions = {question.key: question for question in loaded.manifest.questions}
    known: dict[str, str] = {}
    unanswered: set[str] = set()
    for answer in answers:
        question = questions.get(answer.key)
        if question is None:
            continue
        known.pop(answer.key, None)
        unanswered.discard(answer.key)
        options = [str(option) for option in question.options]
        if answer.answer is not None and (not options or answer.answer in options):
            known[answer.key] = answer.answer
        elif answer.answer is None and question.default is not None:
            known[answer.key] = str(question.default)
        elif answer.answer is None:
            unanswered.add(answer.key)
    return known, unanswered


@dataclass(kw_only=True)
class View:
    """A manifest beside what is known at one moment."""

    loaded: LoadedManifest
    expand: Expand
    known: Mapping[str, str]
    seen: Mapping[tuple[str, str], ObservationResult] = field(
        default_factory=dict[tuple[str, str], ObservationResult]
    )
    looked: dict[str, Looked] = field(default_factory=dict[str, Looked])
    expanded: dict[tuple[str, ...], list[str]] = field(default_factory=dict[tuple[str, ...], list[str]])

    def hosts(self, targets: Iterable[str]) -> list[str]:
        """The hosts behind names of hosts and groups. Raises Problem for an unknown name."""
        key = tuple(targets)
        if key not in self.expanded:
            found: dict[str, None] = {}
            for target in key:
                found.update(dict.fromkeys([target] if target == LOCALHOST else self.expand(target)))
            self.expanded[key] = list(found)
        return self.expanded[key]

    def scope(self, host: str, reads: References | None = None) -> dict[str, Any]:
        """What templates may read for a host."""
        names = reads.observed if reads else frozenset[str]()
        observed = {name: self.look_for(name, host) for name in names}
        return {
            "vars": self.loaded.vars,
            "manifest_dir": str(self.loaded.directory),
            "answers": self.known,
            "host": host,
            "observed": {name: seen.result for name, seen in observed.items() if seen},
        }

    def look_for(self, name: str, host: str) -> ObservationResult | None:
        """A named observation as a step on that host reads it: made there, or on the only host where it is made."""
        seen = self.seen.get((_name(name, host), host))
        if seen is not None:
            return seen
        look = next(one for one in self.loaded.looks if one.look.name == name)
        hosts = self.hosts(look.targets)
        return self.seen.get((_name(name, hosts[0]), hosts[0])) if len(hosts) == 1 else None

    def first_unanswered(self, reads: References) -> str | None:
        """The first question, in the manifest's order, that has to be answered."""
        for question in self.loaded.manifest.questions:
            if question.key in reads.answers and question.key not in self.known:
                return question.key
        return None


def _name(name: str, host: str) -> str:
    return f"{PREFIX}{name}@{host}"


# --- what to look at -----------------------------------------------------------------------------------------------


def observations(view: View) -> list[ObservationSpec]:
    """All that can be looked at with what is known: for the paths of a host one call, or a few if they are many.

    Raises CannotJudge and Problem.
    """
    specs: list[ObservationSpec] = []
    paths: dict[str, dict[str, bool]] = {}
    for look in view.loaded.looks:
        specs.extend(_look(view, look))
    for step in view.loaded.steps:
        if view.first_unanswered(step.look_reads) is not None:
            continue
        for host in view.hosts(step.targets):
            if not _may_be_wanted(view, step, host):
                continue
            if step.check is None or step.check.path is not None:
                for path, content in _paths(view, step, host):
                    of_host = paths.setdefault(host, {})
                    of_host[path] = of_host.get(path, False) or content
            else:
                specs.append(_check(view, step, host))
    for host, wanted_paths in paths.items():
        for n, script in enumerate(file_checks.scripts(wanted_paths), start=1):
            name = _name(_FILES if n == 1 else f"{_FILES}#{n}", host)
            specs.append(ObservationSpec(name=name, module="shell", params={"cmd": script}, host=host))
    return specs


def _look(view: View, look: PreparedLook) -> Iterator[ObservationSpec]:
    if view.first_unanswered(look.reads) is None:
        for host in view.hosts(look.targets):
            params = _rendered(look.look.params, view.scope(host), look.where)
            yield ObservationSpec(name=_name(look.look.name, host), module=look.look.module, params=params, host=host)


def _check(view: View, step: Prepared, host: str) -> ObservationSpec:
    where = (*step.where, "check")
    assert step.check is not None
    name = _name(f"step {step.step.name}", host)
    if step.check.observe is not None:
        params = _rendered(step.check.observe.params, view.scope(host), where)
        return ObservationSpec(name=name, module=step.check.observe.module, params=params, host=host)
    command = _rendered(step.check.command, view.scope(host), where)
    return ObservationSpec(name=name, module="shell", params={"cmd": str(command)}, host=host)


def _paths(view: View, step: Prepared, host: str) -> Iterator[tuple[str, bool]]:
    scope = view.scope(host)
    if step.check is not None:
        yield _rendered(step.check.path, scope, (*step.where, "check", "path")), False
        return
    for work in step.works:
        key = "path" if "path" in work.params else "dest"
        yield _rendered(work.params[key], scope, work.where), key == "dest"


def _rendered(value: Any, scope: Mapping[str, Any], where: Where) -> Any:
    try:
        return manifest_template.render(value, scope)
    except CannotRender as error:
        raise CannotJudge(where, str(error)) from None


def _may_be_wanted(view: View, step: Prepared, host: str) -> bool:
    """False only if it is certain already that the step does not exist on the host."""
    when = step.step.when
    if isinstance(when, bool):
        return when
    if step.when_reads.observed or view.first_unanswered(step.when_reads) is not None:
        return True
    return _is_wanted(view, step, host)


def _is_wanted(view: View, step: Prepared, host: str) -> bool:
    when = step.step.when
    if isinstance(when, bool):
        return when
    try:
        return bool(manifest_template.evaluate(when, view.scope(host, step.when_reads)))
    except CannotRender as error:
        raise CannotJudge((*step.where, "when"), f"`when` of {step.step.name!r}: {error}") from None


# --- what was seen -------------------------------------------------------------------------------------------------


def read_paths(view: View) -> None:
    """Read the calls that looked at paths into the view."""
    for (name, host), seen in view.seen.items():
        if name.startswith(PREFIX + _FILES) and seen.success:
            looked = view.looked.setdefault(host, Looked())
            file_checks.read(str(seen.result.get("stdout", "")), looked)


def judge(view: View, step: Prepared, host: str) -> Verdict:
    """Where a step stands on a host. Raises CannotJudge."""
    if (key := view.first_unanswered(step.when_reads)) is not None:
        return Verdict(standing=Standing.UNANSWERED, key=key)
    if blind := _blind(view, step.when_reads, host):
        return Verdict(standing=Standing.UNKNOWN, lines=(blind,))
    if not _is_wanted(view, step, host):
        return Verdict(standing=Standing.NOT_WANTED)
    if (key := view.first_unanswered(step.check_reads)) is not None:
        return Verdict(standing=Standing.UNANSWERED, key=key)
    if blind := _blind(view, step.check_reads, host):
        return Verdict(standing=Standing.UNKNOWN, lines=(blind,))
    if step.check is None or step.check.path is not None:
        return _judge_paths(view, step, host)
    return _judge_seen(view, step, host)


def _blind(view: View, reads: References, host: str) -> str | None:
    """Why a named observation that is read says nothing."""
    for name in sorted(reads.observed):
        seen = view.look_for(name, host)
        if seen is None:
            return f"{name} was not observed for {host}"
        if not seen.success and "rc" not in seen.result:
            return f"{name} cannot be observed: {seen.error or 'no reason was given'}"
    return None


def _judge_paths(view: View, step: Prepared, host: str) -> Verdict:
    looked = view.looked.get(host, Looked())
    scope = view.scope(host, step.check_reads)
    lines: list[str] = []
    why: dict[int, str] = {}
    for n, want in enumerate(_wants(step, scope)):
        if want.path not in looked.paths:
            return Verdict(standing=Standing.UNKNOWN, lines=(_why_unseen(view, host),))
        if want.path in looked.hidden:
            return Verdict(standing=Standing.UNKNOWN, lines=(f"{want.path} may not be looked at",))
        found = file_checks.differences(want, looked)
        if found:
            why[n] = f"{want.path} {', '.join(found)}"
            lines.extend(f"{want.path} {line}" for line in found)
    if not lines:
        return Verdict(standing=Standing.IN_PLACE)
    return Verdict(
        standing=Standing.OUT_OF_PLACE,
        lines=tuple(lines),
        works=tuple(why if step.check is None else range(len(step.works))),
        why=why if step.check is None else {},
    )


def _wants(step: Prepared, scope: Mapping[str, Any]) -> Iterator[Want]:
    check = step.check
    if check is not None:
        place = (*step.where, "check")
        mode = _rendered(check.mode, scope, place)
        yield Want(
            path=_rendered(check.path, scope, place),
            state=check.state,
            mode=file_checks.octal(mode) if mode is not None else None,
        )
        return
    for work in step.works:
        try:
            yield wanted(work, scope)[0]
        except CannotRender as error:
            raise CannotJudge(work.where, f"the step {step.step.name!r}: {error}") from None


def _why_unseen(view: View, host: str) -> str:
    for (name, where), seen in view.seen.items():
        if where == host and name.startswith(PREFIX + _FILES):
            return f"{host} cannot be observed: {seen.error or 'its answer was cut short'}"
    return f"{host} was not observed"


def _judge_seen(view: View, step: Prepared, host: str) -> Verdict:
    name = _name(f"step {step.step.name}", host)
    seen = view.seen.get((name, host))
    if seen is None:
        return Verdict(standing=Standing.UNKNOWN, lines=(f"{host} was not observed",))
    if not seen.success and ("rc" not in seen.result and (not seen.result or is_unreachable(view, host))):
        return Verdict(standing=Standing.UNKNOWN, lines=(f"{host} cannot be observed: {seen.error or 'no reason'}",))
    lines = tuple(_unmet(step, seen, view.scope(host, step.check_reads)))
    if not lines:
        return Verdict(standing=Standing.IN_PLACE)
    return Verdict(standing=Standing.OUT_OF_PLACE, lines=lines, works=tuple(range(len(step.works))))


def _unmet(step: Prepared, seen: ObservationResult, scope: Mapping[str, Any]) -> Iterator[str]:
    if not seen.success:
        rc = seen.result.get("rc")
        said = _first_line(seen.result.get("stderr")) or _first_line(seen.result.get("stdout"))
        if rc is None:
            yield f"its check failed: {_first_line(seen.error) or 'no reason was given'}"
        else:
            yield f"{said} (its check ended with {rc})" if said else f"its check ended with {rc}"
        return
    for one in step.expect:
        value = _rendered(one.value, scope, (*step.where, "check", "expect"))
        expectation = Expectation(observation=seen.name, path=one.path, op=Operator(one.op), value=value)
        line = engine_check.compare(
            engine_check.lookup(seen.result, one.path), expectation, label=one.path or "the result"
        )
        if line is not None:
            yield line


def is_unreachable(view: View, host: str) -> bool:
    """Whether nothing that was tried on the host got as far as running there."""
    tried = [seen for (_, where), seen in view.seen.items() if where == host]
    return host != LOCALHOST and bool(tried) and all(not seen.success and "rc" not in seen.result for seen in tried)


def _first_line(text: Any) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0][:200] if lines else ""


def link_needs_force(view: View, host: str, want: Want) -> bool:
    """Whether a link is in the way of the link that is wanted: replacing it loses nothing."""
    looked = view.looked.get(host)
    return want.state is FileState.LINK and looked is not None and want.path in looked.links
