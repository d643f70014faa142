"""The manifest decider: what to do next follows from a manifest and from what was seen, without a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest import judge as manifest_judge, template as manifest_template
from ftl2_enterprise.adapters.deciders.manifest.judge import (
    SETTLED,
    CannotJudge,
    Expand,
    Standing,
    Verdict,
    View,
)
from ftl2_enterprise.adapters.deciders.manifest.load import (
    LoadedManifest,
    load,
    looks_like_manifest,
    parse,
)
from ftl2_enterprise.adapters.deciders.manifest.steps import Prepared, Work, wanted
from ftl2_enterprise.adapters.deciders.manifest.template import CannotRender
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST, Action, ActionState, IterationOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ftl2_enterprise.loops.ports import ModelCallLog, ObservationResult, PastIteration, PromptAnswer, Situation

RETRY, LEAVE_OUT, STOP = "try again", "leave this step out", "stop"
_FAILED = "failed:"


class ManifestDecider:
    """Decides from a manifest. `expand` gives the hosts of a group; without it every name is a host."""

    name: str = "manifest"
    is_model: bool = False

    def __init__(self, loaded: LoadedManifest, *, expand: Expand | None = None) -> None:
        self.loaded: LoadedManifest = loaded
        self.expand: Expand = expand or _only_itself

    def observations(self, answers: Sequence[PromptAnswer]) -> Sequence[ObservationSpec]:
        """What the checks look at, as far as the answers are known."""
        known, _ = manifest_judge.told(self.loaded, answers)
        try:
            return manifest_judge.observations(View(loaded=self.loaded, expand=self.expand, known=known))
        except (CannotJudge, Problem):
            # The decision that follows says it, as the reason why the loop is blocked.
            return ()

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        """Converged, a question, or the actions of every step that is out of place and may be acted upon."""
        known, refused = manifest_judge.told(self.loaded, situation.answers)
        seen: dict[tuple[str, str], ObservationResult] = {(one.name, one.host): one for one in situation.seen}
        view = View(loaded=self.loaded, expand=self.expand, known=known, seen=seen)
        try:
            manifest_judge.observations(view)
            manifest_judge.read_paths(view)
            return _Deciding.begin(view, situation).decide(refused)
        except CannotJudge as error:
            return _blocked(self.loaded.document.problem(error.where, error.why).message)
        except Problem as problem:
            return _blocked(str(problem))


def _only_itself(target: str) -> Sequence[str]:
    return [target]


def _blocked(reason: str, unmet: Sequence[str] = ()) -> Decision:
    return Decision(reasoning=reason, blocked=reason, unmet=list(unmet))


@dataclass(frozen=True, kw_only=True)
class _Deciding:
    """One decision in the making: where every step stands on each of its hosts."""

    view: View
    situation: Situation
    hosts: Mapping[str, Sequence[str]]
    verdicts: Mapping[tuple[str, str], Verdict]

    @classmethod
    def begin(cls, view: View, situation: Situation) -> _Deciding:
        hosts = {step.step.name: view.hosts(step.targets) for step in view.loaded.steps}
        verdicts = {
            (step.step.name, host): manifest_judge.judge(view, step, host)
            for step in view.loaded.steps
            for host in hosts[step.step.name]
        }
        _leave_out(view.loaded.steps, hosts, verdicts, _left_out(situation.answers))
        return cls(view=view, situation=situation, hosts=hosts, verdicts=verdicts)

    def decide(self, refused: set[str]) -> Decision:
        if all(one.standing in SETTLED or one.standing is Standing.LEFT_OUT for one in self.verdicts.values()):
            return Decision(reasoning=self._in_place(), converged=True)
        unmet = self._unmet()
        ready = [pair for pair in self._pairs() if self._is_ready(*pair)]
        for step, host in ready:
            if (key := self._question_for(step, host)) is not None:
                return self._ask(key, step, refused, unmet)
        stuck = self._after_failures(ready, unmet)
        if stuck is not None:
            return stuck
        acting = [pair for pair in ready if self._verdict(*pair).standing is Standing.OUT_OF_PLACE]
        actions = list(self._actions(acting))
        return Decision(reasoning=self._reasoning(acting), actions=actions, unmet=unmet)

    # --- where things stand ----------------------------------------------------------------------------------------

    def _pairs(self) -> Iterator[tuple[Prepared, str]]:
        for step in self.view.loaded.steps:
            for host in self.hosts[step.step.name]:
                yield step, host

    def _verdict(self, step: Prepared, host: str) -> Verdict:
        return self.verdicts[step.step.name, host]

    def _is_ready(self, step: Prepared, host: str) -> bool:
        """Whether all that the step requires is in place: on this host where it exists here too, else everywhere."""
        for name in step.step.requires:
            where = [host] if host in self.hosts[name] else self.hosts[name]
            if any(self.verdicts[name, one].standing not in SETTLED for one in where):
                return False
        return True

    def _unmet(self) -> list[str]:
        lines: dict[str, None] = {}
        for step, host in self._pairs():
            verdict, name = self._verdict(step, host), step.step.name
            match verdict.standing:
                case Standing.OUT_OF_PLACE:
                    lines.update(dict.fromkeys(f"{name} on {host}: {line}" for line in verdict.lines))
                case Standing.UNKNOWN:
                    lines.update(dict.fromkeys(_unknown(name, host, line) for line in verdict.lines))
                case Standing.UNANSWERED:
                    lines[f"{name} on {host}: needs the answer to {verdict.key!r}"] = None
                case Standing.IN_PLACE | Standing.NOT_WANTED | Standing.LEFT_OUT:
                    pass
        return list(lines)

    def _in_place(self) -> str:
        left = self._named(Standing.LEFT_OUT)
        total = len(self.view.loaded.steps)
        if left:
            return f"Everything is in place but what a person left out: {', '.join(left)}."
        return f"All {total} steps are in place." if total > 1 else "The step is in place."

    def _named(self, standing: Standing) -> list[str]:
        return list(
            dict.fromkeys(
                step.step.name for step, host in self._pairs() if self._verdict(step, host).standing is standing
            )
        )

    def _reasoning(self, acting: Sequence[tuple[Prepared, str]]) -> str:
        total = len(self.view.loaded.steps)
        out = self._named(Standing.OUT_OF_PLACE)
        now = list(dict.fromkeys(step.step.name for step, _ in acting))
        # A step may be out of place on one host and wait for its answer on another; it is counted once.
        unanswered = [name for name in self._named(Standing.UNANSWERED) if name not in out]
        asking = f"{len(unanswered)} {'needs' if len(unanswered) == 1 else 'need'} an answer"
        if out:
            stand = f"{len(out)} of {_counted(total, 'step')} {'is' if len(out) == 1 else 'are'} out of place"
            parts = [f"{stand}, {asking}." if unanswered else f"{stand}."]
        elif unanswered:
            parts = [f"Of {_counted(total, 'step')} {asking}."]
        else:
            parts = ["Not every step could be seen."]
        if now:
            parts.append(f"To do now: {', '.join(now)}.")
        if waiting := [name for name in out if name not in now]:
            parts.append(f"Waiting for what they require: {', '.join(waiting)}.")
        if unanswered:
            parts.append(f"Asked about later: {', '.join(unanswered)}.")
        if unknown := self._named(Standing.UNKNOWN):
            parts.append(f"Unknown: {', '.join(unknown)}.")
        if self.situation.unknown:
            parts.append(
                f"What {_counted(len(self.situation.unknown), 'interrupted action')} did was observed again."
            )
        return " ".join(parts)

    # --- questions -------------------------------------------------------------------------------------------------

    def _question_for(self, step: Prepared, host: str) -> str | None:
        verdict = self._verdict(step, host)
        if verdict.standing is Standing.OUT_OF_PLACE:
            return self.view.first_unanswered(step.work_reads)
        return verdict.key

    def _ask(self, key: str, step: Prepared, refused: set[str], unmet: list[str]) -> Decision:
        question = self.view.loaded.question(key)
        if key in refused:
            why = f"cannot go on with {step.step.name!r}: nobody answered {question.question!r}, which has no default"
            return _blocked(why, unmet)
        ask = Ask(
            question=question.question,
            options=[str(option) for option in question.options],
            default=None if question.default is None else str(question.default),
            key=key,
        )
        return Decision(reasoning=f"{step.step.name} needs the answer.", ask=ask, unmet=unmet)

    def _after_failures(self, ready: Sequence[tuple[Prepared, str]], unmet: list[str]) -> Decision | None:
        """What a person said about a step that keeps failing, or the question what to do about it."""
        past, answers = self.situation.past, self.situation.answers
        asked = bool(past) and past[-1].outcome == IterationOutcome.ASKED
        last = answers[-1] if answers else None
        if asked and last is not None and last.key.startswith(_FAILED) and last.answer in {STOP, None}:
            someone = None if last.is_default else last.answered_by
            who = f"{someone} said so" if last.answer and someone else "nobody said how to go on"
            return _blocked(f"cannot go on with {_step_of(last.key)!r}, which keeps failing: {who}", unmet)
        if not self.situation.must_ask:
            return None
        step, host, failures, why = _culprit(ready, self._verdict, past)
        if step is None:
            return _blocked(
                f"cannot go on: too many iterations failed, and no step can be acted upon: {unmet[0]}", unmet
            )
        name = step.step.name
        times = f"{failures} times" if failures != 1 else "once"
        ask = Ask(
            question=f"Step {name!r} has failed {times} on {host}{why}. What shall be done?",
            options=[RETRY, LEAVE_OUT, STOP],
            default=STOP,
            key=f"{_FAILED}{sum(_step_of(one.key) == name for one in answers) + 1}:{name}",
        )
        return Decision(reasoning=f"{name} keeps failing.", ask=ask, unmet=unmet)

    # --- actions ---------------------------------------------------------------------------------------------------

    def _actions(self, acting: Sequence[tuple[Prepared, str]]) -> Iterator[ActionSpec]:
        by_step: dict[str, list[str]] = {}
        for step, host in acting:
            by_step.setdefault(step.step.name, []).append(host)
        for step in self.view.loaded.steps:
            hosts = by_step.get(step.step.name, [])
            for n in range(len(step.works)):
                where = [host for host in hosts if n in self._verdict(step, host).works]
                yield from self._together(step, where, [self._action(step, n, host) for host in where])

    def _together(self, step: Prepared, hosts: Sequence[str], specs: Sequence[ActionSpec]) -> Sequence[ActionSpec]:
        """One action for the whole group, run side by side, where it is the same for every host of the group."""
        if len(hosts) < 2:
            return specs
        first = specs[0]
        alike = all((one.module, one.params) == (first.module, first.params) for one in specs)
        target, *others = step.targets
        if others or not alike or set(hosts) != set(self.hosts[step.step.name]):
            return specs
        reason = first.reason if len({one.reason for one in specs}) == 1 else step.step.name
        return [ActionSpec(module=first.module, params=first.params, host=target, reason=reason)]

    def _action(self, step: Prepared, n: int, host: str) -> ActionSpec:
        work, verdict = step.works[n], self._verdict(step, host)
        scope = self.view.scope(host, step.work_reads)
        try:
            module, params = self._call(work, host, scope)
            reason = str(manifest_template.render(work.reason, scope)) if work.reason else None
        except CannotRender as error:
            raise CannotJudge(work.where, f"the step {step.step.name!r}: {error}") from None
        because = reason or f"{step.step.name}: {verdict.why.get(n) or '; '.join(verdict.lines)}"
        return ActionSpec(module=module, params=params, host=host, reason=because)

    def _call(self, work: Work, host: str, scope: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        if work.own is None:
            return work.module, manifest_template.render(dict(work.params), scope)
        want, params = wanted(work, scope)
        if want.digest is not None:
            return "copy", params
        if "force" not in params and manifest_judge.link_needs_force(self.view, host, want):
            params["force"] = True
        return "file", params


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _unknown(name: str, host: str, line: str) -> str:
    """A host that cannot be seen is said once, not once for each of its steps."""
    return line if line.startswith(f"{host} cannot be observed") else f"{name} on {host}: {line}"


def _step_of(key: str) -> str | None:
    """The step that a question about failures was about."""
    return key.split(":", 2)[2] if key.startswith(_FAILED) and key.count(":") >= 2 else None


def _left_out(answers: Sequence[PromptAnswer]) -> set[str]:
    """Steps that a person left out; the last word on a step counts."""
    words = {name: answer.answer for answer in answers if (name := _step_of(answer.key)) is not None}
    return {name for name, word in words.items() if word == LEAVE_OUT}


def _leave_out(
    steps: Sequence[Prepared],
    hosts: Mapping[str, Sequence[str]],
    verdicts: dict[tuple[str, str], Verdict],
    names: set[str],
) -> None:
    """Leave out these steps, and with them whatever requires them, unless it is in place anyway."""
    left = set(names)
    while more := {one.step.name for one in steps if left.intersection(one.step.requires)} - left:
        left |= more
    for name in left.intersection(hosts):
        for host in hosts[name]:
            if verdicts[name, host].standing not in SETTLED:
                verdicts[name, host] = Verdict(standing=Standing.LEFT_OUT)


def _culprit(
    ready: Sequence[tuple[Prepared, str]],
    verdict_of: Callable[[Prepared, str], Verdict],
    past: Sequence[PastIteration],
) -> tuple[Prepared | None, str, int, str]:
    """The step that failed last, where, how many times in a row, and why."""
    candidates = [(step, host) for step, host in ready if verdict_of(step, host).standing is Standing.OUT_OF_PLACE]
    for one in reversed(past):
        failed = [action for action in one.actions if action.state is ActionState.FAILED]
        for action in failed:
            for step, host in candidates:
                if _may_be_from(action, step, host):
                    return step, host, _in_a_row(past, step, host), f": {action.error}" if action.error else ""
        if failed:
            break
    return (candidates[0][0], candidates[0][1], 1, "") if candidates else (None, LOCALHOST, 0, "")


def _may_be_from(action: Action, step: Prepared, host: str) -> bool:
    """Whether an action is one of the step's: the same module on the same host and, if it has one, the same path."""
    if action.host != host:
        return False
    for work in step.works:
        if work.own is None and work.module == action.module and _is_alike(work.params, action.params):
            return True
        path = action.params.get("path") or action.params.get("dest")
        if work.own is not None and action.module in {"file", "copy"}:
            raw = work.params.get("path") or work.params.get("dest")
            return path == raw or "{" in str(raw)
    return False


def _is_alike(raw: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether parameters can come from these: those that are no templates are equal."""
    return raw.keys() == params.keys() and all("{" in str(raw[key]) or raw[key] == params[key] for key in raw)


def _in_a_row(past: Sequence[PastIteration], step: Prepared, host: str) -> int:
    count = 0
    for one in reversed(past):
        if one.outcome == IterationOutcome.ASKED:
            continue
        if not any(action.state is ActionState.FAILED and _may_be_from(action, step, host) for action in one.actions):
            break
        count += 1
    return max(count, 1)


__all__ = ["ManifestDecider", "load", "looks_like_manifest", "parse"]
