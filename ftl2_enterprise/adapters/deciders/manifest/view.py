"""A manifest at one point in time: its plan with the known answers, hosts and observations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest import file_checks, template as manifest_template
from ftl2_enterprise.adapters.deciders.manifest.file_checks import ObservedPaths
from ftl2_enterprise.adapters.deciders.manifest.template import CannotRender
from ftl2_enterprise.core.secret_references import reference, without_references
from ftl2_enterprise.loops.ports import ObservationResult, PromptAnswer
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.deciders.manifest.plan import ManifestPlan, PlannedStep
    from ftl2_enterprise.adapters.deciders.manifest.template import References
    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Where

type Expand = Callable[[str], Sequence[str]]
"""The hosts of a host or group name. Raises Problem for a name that is not in the inventory."""

PREFIX = "manifest:"
FILES = f"{PREFIX}files"
"""Prefix of the names of the observations that examine paths."""


class CannotEvaluate(Exception):
    """An error of the manifest that appears only with the values of a host; has its place in the text."""

    def __init__(self, where: Where, why: str) -> None:
        super().__init__(why)
        self.where: Where = where
        self.why: str = why


def known_answers(plan: ManifestPlan, answers: Iterable[PromptAnswer]) -> tuple[dict[str, str], set[str]]:
    """Answers by key, and the keys of questions that were closed without an answer and have no default.

    The last answer to a question counts; an answer that is not one of its options does not.
    """
    questions = {question.key: question for question in plan.questions}
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
class ManifestView:
    """Everything that a decision can refer to. Groups are expanded once."""

    plan: ManifestPlan
    expand: Expand
    answers: Mapping[str, str]
    reveal: Callable[[str], str] = str
    """The text with the values of its secrets; only for digests."""
    results: Mapping[tuple[str, str], ObservationResult] = field(
        default_factory=dict[tuple[str, str], ObservationResult]
    )
    """Results by name of the observation and host."""
    paths: dict[str, ObservedPaths] = field(default_factory=dict[str, ObservedPaths])
    """Results by host; see `read_paths`."""
    _expanded: dict[tuple[str, ...], list[str]] = field(default_factory=dict[tuple[str, ...], list[str]])

    def hosts(self, targets: Iterable[str]) -> list[str]:
        """The hosts that names of hosts and groups refer to. Raises Problem for an unknown name."""
        key = tuple(targets)
        if key not in self._expanded:
            found: dict[str, None] = {}
            for target in key:
                found.update(dict.fromkeys([target] if target == LOCALHOST else self.expand(target)))
            self._expanded[key] = list(found)
        return self._expanded[key]

    def scope(self, host: str, reads: References | None = None) -> dict[str, Any]:
        """The scope of templates for a host, limited to `reads` if given."""
        names = reads.observed if reads else frozenset[str]()
        observed = {name: self.observation_for(name, host) for name in names}
        found = {
            "answers": self.answers,
            "host": host,
            "observed": {name: result.result for name, result in observed.items() if result},
        }
        if self.plan.has_secrets:
            found = without_references(found)
        secrets = {name: reference(name) for name in reads.secrets} if reads else {}
        return {
            "vars": self.plan.vars,
            "manifest_dir": str(self.plan.directory),
            "secrets": secrets,
            **found,
        }

    def observation_for(self, name: str, host: str) -> ObservationResult | None:
        """A named observation as a step on that host reads it: of that host, or of the only host that has it."""
        result = self.results.get((observation_name(name, host), host))
        if result is not None:
            return result
        named = next(one for one in self.plan.observations if one.entry.name == name)
        hosts = self.hosts(named.targets)
        return self.results.get((observation_name(name, hosts[0]), hosts[0])) if len(hosts) == 1 else None

    def first_unanswered(self, reads: References) -> str | None:
        """The key of the first question, in the manifest's order, that is read and has no answer."""
        for question in self.plan.questions:
            read = reads.secrets if question.secret else reads.answers
            if question.key in read and question.key not in self.answers:
                return question.key
        return None

    def is_unreachable(self, host: str) -> bool:
        """Whether no observation of the host reached it."""
        tried = [result for (_, where), result in self.results.items() if where == host]
        return host != LOCALHOST and bool(tried) and all(not one.success and "rc" not in one.result for one in tried)

    def read_paths(self) -> None:
        """Read the results of the observations that examined paths."""
        for (name, host), result in self.results.items():
            if name.startswith(FILES) and result.success:
                file_checks.read(result.result.get("paths") or {}, self.paths.setdefault(host, ObservedPaths()))


def observation_name(name: str, host: str) -> str:
    """The name of an observation of the manifest on one host, in the loop."""
    return f"{PREFIX}{name}@{host}"


def step_name(step: PlannedStep, host: str) -> str:
    """The name of the observation that a step's own check makes."""
    return observation_name(f"step {step.step.name}", host)


def rendered(value: Any, scope: Mapping[str, Any], where: Where) -> Any:
    """The value with its templates rendered. Raises CannotEvaluate."""
    try:
        return manifest_template.render(value, scope)
    except CannotRender as error:
        raise CannotEvaluate(where, str(error)) from None


def exists(view: ManifestView, step: PlannedStep, host: str) -> bool:
    """Whether the step exists on the host, which is the value of its `when`. Raises CannotEvaluate."""
    when = step.step.when
    if isinstance(when, bool):
        return when
    try:
        return bool(manifest_template.evaluate(when, view.scope(host, step.when_reads)))
    except CannotRender as error:
        raise CannotEvaluate((*step.where, "when"), f"`when` of {step.step.name!r}: {error}") from None
