"""The manifest decider: derives decisions from a manifest and observations, without a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.adapters.deciders.manifest import failures, template as manifest_template
from ftl2_enterprise.adapters.deciders.manifest.failures import LEAVE_OUT, RETRY, STOP
from ftl2_enterprise.adapters.deciders.manifest.judge import SETTLED, StepStatus, StepVerdict, judge
from ftl2_enterprise.adapters.deciders.manifest.observe import observations
from ftl2_enterprise.adapters.deciders.manifest.paths import desired_path
from ftl2_enterprise.adapters.deciders.manifest.template import CannotRender
from ftl2_enterprise.adapters.deciders.manifest.view import CannotEvaluate, ManifestView, known_answers
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import names_secret
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.manifest import FileState
from ftl2_enterprise.protocol.loops.nouns import IterationOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set as AbstractSet

    from ftl2_enterprise.adapters.deciders.manifest.file_checks import DesiredPath
    from ftl2_enterprise.adapters.deciders.manifest.plan import ManifestPlan, PlannedStep
    from ftl2_enterprise.adapters.deciders.manifest.resolve import ResolvedAction
    from ftl2_enterprise.adapters.deciders.manifest.view import Expand
    from ftl2_enterprise.loops.ports import ModelCallLog, PromptAnswer, Situation

NOT_KNOWN = frozenset({StepStatus.UNKNOWN, StepStatus.UNANSWERED})
"""Whether such a step is in place was not found out."""


class ManifestDecider:
    """Decides from a manifest. `expand` returns the hosts of a group; without it every name is a host."""

    name: str = "manifest"
    is_model: bool = False

    def __init__(
        self, plan: ManifestPlan, *, expand: Expand | None = None, reveal: Callable[[str], str] = str
    ) -> None:
        """`reveal` returns a text with the values of its secrets."""
        self.plan: ManifestPlan = plan
        self.expand: Expand = expand or _only_itself
        self._reveal = reveal

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        """The observations of the checks, as far as the known answers determine them."""
        known, _ = known_answers(self.plan, answers)
        try:
            return observations(ManifestView(plan=self.plan, expand=self.expand, answers=known))
        except (CannotEvaluate, Problem):
            # `decide` fails in the same way and reports the error as the reason for being blocked.
            return ()

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        """Converged, a question, or the actions of all steps that are out of place and whose requirements are met."""
        known, unanswered = known_answers(self.plan, situation.answers)
        results = {(one.name, one.host): one for one in situation.seen}
        view = ManifestView(plan=self.plan, expand=self.expand, answers=known, results=results, reveal=self._reveal)
        try:
            observations(view)
            view.read_paths()
            return _ManifestDecision.begin(view, situation).decide(unanswered)
        except CannotEvaluate as error:
            return _blocked(self.plan.problem(error.where, error.why).message)
        except Problem as problem:
            return _blocked(str(problem))


def _only_itself(target: str) -> Sequence[str]:
    return [target]


def _blocked(reason: str, unmet: Sequence[str] = ()) -> Decision:
    return Decision(reasoning=reason, blocked=reason, unmet=list(unmet))


@dataclass(frozen=True, kw_only=True)
class _ManifestDecision:
    """The state from which one decision is derived: the verdict on every step and host."""

    view: ManifestView
    situation: Situation
    hosts: Mapping[str, Sequence[str]]
    verdicts: Mapping[tuple[str, str], StepVerdict]

    @classmethod
    def begin(cls, view: ManifestView, situation: Situation) -> _ManifestDecision:
        hosts = {step.step.name: view.hosts(step.targets) for step in view.plan.steps}
        verdicts = {
            (step.step.name, host): judge(view, step, host)
            for step in view.plan.steps
            for host in hosts[step.step.name]
        }
        for name in failures.left_out(view.plan.steps, situation.answers) & hosts.keys():
            for host in hosts[name]:
                # A step that is in place anyway is not reported as left out.
                if verdicts[name, host].status not in SETTLED:
                    verdicts[name, host] = StepVerdict(status=StepStatus.LEFT_OUT)
        return cls(view=view, situation=situation, hosts=hosts, verdicts=verdicts)

    def decide(self, unanswered: set[str]) -> Decision:
        decision = self._decide(unanswered)
        return msgspec.structs.replace(
            decision,
            unknown=self._lines(NOT_KNOWN) if decision.unmet else [],
            left_out=self._named(StepStatus.LEFT_OUT),
        )

    def _decide(self, unanswered: set[str]) -> Decision:
        if all(one.status in SETTLED or one.status is StepStatus.LEFT_OUT for one in self.verdicts.values()):
            return Decision(reasoning=self._in_place(), converged=True)
        unmet = self._lines(set(StepStatus))
        ready = [pair for pair in self._pairs() if self._is_ready(*pair)]
        for step, host in ready:
            if (key := self._question_for(step, host)) is not None:
                return self._ask(key, step, unanswered, unmet)
        stuck = self._after_failures(ready, unmet)
        if stuck is not None:
            return stuck
        acting = [pair for pair in ready if self._verdict(*pair).status is StepStatus.OUT_OF_PLACE]
        if self.situation.dry_run:
            return self._preview(acting, unmet)
        actions = list(self._actions(acting))
        return Decision(reasoning=self._reasoning(acting), actions=actions, unmet=unmet)

    # --- dry runs --------------------------------------------------------------------------------------------------

    def _preview(self, first: Sequence[tuple[PlannedStep, str]], unmet: Sequence[str]) -> Decision:
        """The actions of all levels of `requires`, as if those of each level had succeeded."""
        levels = [list(first)]
        done = {(step.step.name, host) for step, host in first}
        while levels[-1]:
            fresh = [pair for pair in self._pairs() if self._is_next(*pair, done)]
            levels.append(fresh)
            done |= {(step.step.name, host) for step, host in fresh}
        actions = [action for level in levels for action in self._actions(level)]
        waiting = self._waiting(done)
        unknown = [
            f"{step} on {host}: waits for {name} on {one}, which cannot be known in a dry run"
            for step, host, name, one in waiting
        ]
        reasoning = self._preview_reasoning(levels[:-1], [step for step, *_ in waiting])
        return Decision(reasoning=reasoning, actions=actions, unmet=[*unmet, *unknown])

    def _is_next(self, step: PlannedStep, host: str, done: set[tuple[str, str]]) -> bool:
        """Whether a step would act after those in `done`."""
        if (step.step.name, host) in done or self._verdict(step, host).status is not StepStatus.OUT_OF_PLACE:
            return False
        if self.view.first_unanswered(step.action_reads) is not None:
            return False
        return not any(True for _ in self._required(step, host, done))

    def _required(self, step: PlannedStep, host: str, done: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """The required steps, with their hosts, that are neither in place nor in `done`."""
        for name in step.step.requires:
            for one in [host] if host in self.hosts[name] else self.hosts[name]:
                if self.verdicts[name, one].status not in SETTLED and (name, one) not in done:
                    yield name, one

    def _waiting(self, done: set[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
        """Each step, with its host, of which a dry run cannot know whether it would act, and what it waits for."""
        return [
            (step.step.name, host, *required)
            for step, host in self._pairs()
            if (step.step.name, host) not in done and self._verdict(step, host).status is StepStatus.OUT_OF_PLACE
            for required in self._required(step, host, done)
        ]

    def _preview_reasoning(self, levels: Sequence[Sequence[tuple[PlannedStep, str]]], waiting: Sequence[str]) -> str:
        named = [", ".join(dict.fromkeys(step.step.name for step, _ in level)) for level in levels]
        total = _counted(len(self.view.plan.steps), "step")
        parts = [
            f"Of {total}, would change: {'; then '.join(named)}." if named else f"Of {total}, none would change."
        ]
        changing = {name for level in levels for name in (step.step.name for step, _ in level)}
        if unknown := self._not_known(changing):
            parts.append(f"Not known: {', '.join(unknown)}.")
        if waiting:
            names = list(dict.fromkeys(waiting))
            verb = "waits" if len(names) == 1 else "wait"
            parts.append(f"{_counted(len(names), 'step')} {verb} for required steps: {', '.join(names)}.")
        if unanswered := self._named(StepStatus.UNANSWERED):
            parts.append(f"Questions later: {', '.join(unanswered)}.")
        return " ".join(parts)

    def _not_known(self, changing: Collection[str]) -> list[str]:
        """The steps whose status is unknown; with the hosts, if the step would change others."""
        hosts: dict[str, list[str]] = {}
        for step, host in self._pairs():
            if self._verdict(step, host).status is StepStatus.UNKNOWN:
                hosts.setdefault(step.step.name, []).append(host)
        return [f"{name} on {', '.join(on)}" if name in changing else name for name, on in hosts.items()]

    # --- status of the steps ---------------------------------------------------------------------------------------

    def _pairs(self) -> Iterator[tuple[PlannedStep, str]]:
        for step in self.view.plan.steps:
            for host in self.hosts[step.step.name]:
                yield step, host

    def _verdict(self, step: PlannedStep, host: str) -> StepVerdict:
        return self.verdicts[step.step.name, host]

    def _is_ready(self, step: PlannedStep, host: str) -> bool:
        """Whether all required steps are in place: on this host if they exist here, else on all of their hosts."""
        for name in step.step.requires:
            where = [host] if host in self.hosts[name] else self.hosts[name]
            if any(self.verdicts[name, one].status not in SETTLED for one in where):
                return False
        return True

    def _lines(self, statuses: AbstractSet[StepStatus]) -> list[str]:
        """What is not as desired, or not known, about the steps with one of these statuses."""
        lines: dict[str, None] = {}
        for step, host in self._pairs():
            verdict, name = self._verdict(step, host), step.step.name
            if verdict.status not in statuses:
                continue
            match verdict.status:
                case StepStatus.OUT_OF_PLACE:
                    lines.update(dict.fromkeys(f"{name} on {host}: {line}" for line in verdict.lines))
                case StepStatus.UNKNOWN:
                    lines.update(dict.fromkeys(_unknown(name, host, line) for line in verdict.lines))
                case StepStatus.UNANSWERED:
                    lines[f"{name} on {host}: needs the answer to {verdict.question!r}"] = None
                case StepStatus.IN_PLACE | StepStatus.NOT_APPLICABLE | StepStatus.LEFT_OUT:
                    pass
        return list(lines)

    def _in_place(self) -> str:
        left = self._named(StepStatus.LEFT_OUT)
        total = len(self.view.plan.steps)
        if left:
            return f"Everything is in place except the steps left out by a person: {', '.join(left)}."
        return f"All {total} steps are in place." if total > 1 else "The step is in place."

    def _named(self, status: StepStatus) -> list[str]:
        return list(
            dict.fromkeys(
                step.step.name for step, host in self._pairs() if self._verdict(step, host).status is status
            )
        )

    def _reasoning(self, acting: Sequence[tuple[PlannedStep, str]]) -> str:
        total = len(self.view.plan.steps)
        out = self._named(StepStatus.OUT_OF_PLACE)
        now = list(dict.fromkeys(step.step.name for step, _ in acting))
        # A step may be out of place on one host and wait for its answer on another; it is counted once.
        unanswered = [name for name in self._named(StepStatus.UNANSWERED) if name not in out]
        asking = f"{len(unanswered)} {'needs' if len(unanswered) == 1 else 'need'} an answer"
        if out:
            stand = f"{len(out)} of {_counted(total, 'step')} {'is' if len(out) == 1 else 'are'} out of place"
            parts = [f"{stand}, {asking}." if unanswered else f"{stand}."]
        elif unanswered:
            parts = [f"Of {_counted(total, 'step')} {asking}."]
        else:
            parts = ["Not every step could be observed."]
        if now:
            parts.append(f"To do: {', '.join(now)}.")
        if waiting := [name for name in out if name not in now]:
            parts.append(f"Waiting for required steps: {', '.join(waiting)}.")
        if unanswered:
            parts.append(f"Questions later: {', '.join(unanswered)}.")
        if unknown := self._named(StepStatus.UNKNOWN):
            parts.append(f"Unknown: {', '.join(unknown)}.")
        if self.situation.unknown:
            parts.append(
                f"The effect of {_counted(len(self.situation.unknown), 'interrupted action')} was observed again."
            )
        return " ".join(parts)

    # --- questions -------------------------------------------------------------------------------------------------

    def _question_for(self, step: PlannedStep, host: str) -> str | None:
        verdict = self._verdict(step, host)
        if verdict.status is StepStatus.OUT_OF_PLACE:
            return self.view.first_unanswered(step.action_reads)
        return verdict.question

    def _ask(self, key: str, step: PlannedStep, unanswered: set[str], unmet: list[str]) -> Decision:
        question = self.view.plan.question(key)
        if key in unanswered:
            why = f"cannot continue {step.step.name!r}: no answer to {question.question!r}, which has no default"
            return _blocked(why, unmet)
        ask = Ask(
            question=question.question,
            options=[str(option) for option in question.options],
            default=None if question.default is None else str(question.default),
            key=key,
            secret=question.secret,
        )
        return Decision(reasoning=f"{step.step.name} needs the answer.", ask=ask, unmet=unmet)

    def _after_failures(self, ready: Sequence[tuple[PlannedStep, str]], unmet: list[str]) -> Decision | None:
        """The decision about a step that keeps failing: ask a person, or block the loop by the answer.

        None otherwise.
        """
        past, answers = self.situation.past, self.situation.answers
        asked = bool(past) and past[-1].outcome == IterationOutcome.ASKED
        last = answers[-1] if answers else None
        stopped = failures.step_of(last.key) if asked and last is not None and last.answer in {STOP, None} else None
        if last is not None and stopped is not None:
            someone = None if last.is_default else last.answered_by
            who = f"stopped by {someone}" if last.answer and someone else "no answer how to continue"
            return _blocked(f"cannot continue {stopped!r}, which keeps failing: {who}", unmet)
        if not self.situation.must_ask:
            return None
        acting = [pair for pair in ready if self._verdict(*pair).status is StepStatus.OUT_OF_PLACE]
        if not acting:
            return _blocked(
                f"cannot continue: too many iterations failed, and no step can be acted on: {unmet[0]}", unmet
            )
        failed = failures.last_failed(acting, past)
        if failed is None:
            # None of these steps has failed, so the question is a general one.
            return None
        name = failed.step.step.name
        times = f"{failed.times} times" if failed.times != 1 else "once"
        why = f": {failed.error}" if failed.error else ""
        ask = Ask(
            question=f"Step {name!r} has failed {times} on {failed.host}{why}. How to continue?",
            options=[RETRY, LEAVE_OUT, STOP],
            default=STOP,
            key=failures.question_key(name, answers),
        )
        return Decision(reasoning=f"{name} keeps failing.", ask=ask, unmet=unmet)

    # --- actions ---------------------------------------------------------------------------------------------------

    def _actions(self, acting: Sequence[tuple[PlannedStep, str]]) -> Iterator[ActionSpec]:
        by_step: dict[str, list[str]] = {}
        for step, host in acting:
            by_step.setdefault(step.step.name, []).append(host)
        for step in self.view.plan.steps:
            hosts = by_step.get(step.step.name, [])
            for n in range(len(step.actions)):
                where = [host for host in hosts if n in self._verdict(step, host).actions]
                yield from self._together(step, where, [self._action(step, n, host) for host in where])

    def _together(self, step: PlannedStep, hosts: Sequence[str], specs: Sequence[ActionSpec]) -> Sequence[ActionSpec]:
        """One action for the group, which runs on its hosts concurrently, if it is the same for all of them."""
        if len(hosts) < 2:
            return specs
        first = specs[0]
        alike = all((one.module, one.params) == (first.module, first.params) for one in specs)
        target, *others = step.targets
        if others or not alike or set(hosts) != set(self.hosts[step.step.name]):
            return specs
        reason = first.reason if len({one.reason for one in specs}) == 1 else step.step.name
        return [msgspec.structs.replace(first, host=target, reason=reason)]

    def _action(self, step: PlannedStep, n: int, host: str) -> ActionSpec:
        action, verdict = step.actions[n], self._verdict(step, host)
        scope = self.view.scope(host, step.action_reads)
        try:
            module, params = self._call(action, host, scope)
            reason = str(manifest_template.render(action.reason, scope)) if action.reason else None
        except CannotRender as error:
            raise CannotEvaluate(action.where, f"the step {step.step.name!r}: {error}") from None
        because = reason or _of_step(step.step.name, verdict.reasons.get(n) or "; ".join(verdict.lines))
        return ActionSpec(module=module, params=params, host=host, reason=because, step=step.step.name, part=n)

    def _call(self, action: ResolvedAction, host: str, scope: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        if action.path_params is None:
            return action.module, manifest_template.render(dict(action.params), scope)
        desired, params = desired_path(action, scope, self.view.reveal)
        if desired.digest is not None:
            return "copy", params
        if "force" not in params and self._replaces_link(desired, host):
            params["force"] = True
        return "file", params

    def _replaces_link(self, desired: DesiredPath, host: str) -> bool:
        """Whether the path of a desired link has another link, which can be replaced without loss."""
        observed = self.view.paths.get(host)
        return desired.state is FileState.LINK and observed is not None and desired.path in observed.links


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _of_step(name: str, line: str) -> str:
    """The line with the name of its step, so that it does not look like a secret after a step named `token`."""
    return f"{name} (step): {line}" if names_secret(name) else f"{name}: {line}"


def _unknown(name: str, host: str, line: str) -> str:
    """The line; without the step if the host cannot be observed, so that it is reported once for all steps."""
    return line if line.startswith(f"{host} cannot be observed") else f"{name} on {host}: {line}"
