"""What the manifest decider decides, given what was seen, answered and tried before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
from ftl2_enterprise.adapters.deciders.manifest.failures import LEAVE_OUT, RETRY, STOP
from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider
from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.core.redact import MASK, Redactor
from ftl2_enterprise.loops.ports import ObservationResult, PastIteration, PromptAnswer
from tests.support.loops.manifests import NOT_CALLED, answer, asked, decide, failed, situation, steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.protocol.loops.decision import Decision

QUESTION = """questions:
  - {key: size, question: "How big?", options: [small, large], default: small}
  - {key: owner, question: "Whose is it?"}
"""
COMMAND = "check: {{command: is-{name}}}, action: {{module: shell, params: {{cmd: make-{name}}}}}"
GROUPS = {"web": ["web1", "web2"], "all": ["web1", "web2", "db"]}


def expand(target: str) -> Sequence[str]:
    return GROUPS.get(target) or [target]


def decider(text: str, before: str = "", directory: Path = Path("/nowhere")) -> ManifestDecider:
    return ManifestDecider(steps(text, directory, before), expand=expand)


def seen_of(
    made: ManifestDecider, results: Mapping[str, Any], answers: Sequence[PromptAnswer] = (), **unreachable: str
) -> list[ObservationResult]:
    """What each observation shows: by command, or by `command@host`; 0 by default."""
    found: list[ObservationResult] = []
    for spec in made.observations(answers):
        host, cmd = spec.host or "localhost", str(spec.params.get("cmd", spec.module))
        if host in unreachable:
            found.append(
                ObservationResult(name=spec.name, host=host, success=False, result={}, error=unreachable[host])
            )
            continue
        result = results.get(f"{cmd}@{host}", results.get(cmd, 0))
        if isinstance(result, int):
            result = {"rc": result, "stdout": "", "stderr": ""}
        ok = result.get("rc", 0) == 0 and "failed" not in result
        found.append(
            ObservationResult(name=spec.name, host=host, success=ok, result=result, error=None if ok else "it failed")
        )
    return found


def command(name: str, more: str = "") -> str:
    return f"  - {{name: {name}, {more} {COMMAND.format(name=name)}}}\n"


def did(decision: Decision) -> list[tuple[str | None, str]]:
    return [(action.host, str(action.params["cmd"])) for action in decision.actions]


def test_converged_when_every_check_holds() -> None:
    made = decider(command("a") + command("b"))
    assert decide(made, situation(seen_of(made, {}))).converged
    decision = decide(made, situation(seen_of(made, {"is-b": {"rc": 3, "stdout": "", "stderr": "b is gone\nx"}})))
    assert not decision.converged
    assert decision.unmet == ["b on localhost: b is gone (its check exits with 3)"]
    assert did(decision) == [("localhost", "make-b")]
    assert decision.actions[0].reason == "b: b is gone (its check exits with 3)"


@pytest.mark.parametrize("name", ["token", "secret", "password", "api_key"])
def test_the_name_of_a_step_does_not_make_its_path_look_like_a_secret(name: str) -> None:
    made = decider(command(name))
    decision = decide(made, situation(seen_of(made, {f"is-{name}": {"rc": 3, "stdout": "", "stderr": "/a is gone"}})))
    reason = decision.actions[0].reason or ""
    assert "/a is gone" in reason
    assert Redactor(["hunter2secret"]).text(f"{reason} hunter2secret") == f"{reason} {MASK}"


def test_without_observations_nothing_converges() -> None:
    made = decider(command("a") + "  - {name: f, file: {path: /a, state: absent}}\n")
    decision = decide(made, situation())
    assert not decision.converged
    assert decision.actions == []
    assert len(decision.unmet) == 2


def test_a_result_without_the_path_is_not_evaluated() -> None:
    made = decider("  - {name: f, file: {path: /a, state: absent}}\n")
    (spec,) = made.observations(())
    results: list[dict[str, Any]] = [{}, {"paths": {}}, {"paths": {"/b": None}}]
    for result in results:
        seen = ObservationResult(name=spec.name, host="localhost", success=True, result=result)
        decision = decide(made, situation([seen]))
        assert not decision.converged
        assert "cannot be observed" in decision.unmet[0]


def test_only_hosts_that_differ_get_actions() -> None:
    made = decider(command("a", "host: all,"))
    decision = decide(made, situation(seen_of(made, {"is-a@web2": 1})))
    assert did(decision) == [("web2", "make-a")]


def test_one_action_serves_a_group_if_it_is_the_same_for_all_hosts() -> None:
    made = decider(command("a", "host: web,"))
    assert did(decide(made, situation(seen_of(made, {"is-a": 1})))) == [("web", "make-a")]
    own = decider(command("a", "host: web,").replace("make-a", '"make {{ host }}"'))
    assert did(decide(own, situation(seen_of(own, {"is-a": 1})))) == [("web1", "make web1"), ("web2", "make web2")]


def test_an_unreachable_host_is_reported_once_and_skipped() -> None:
    made = decider(command("a", "host: web,") + command("b", "host: web,"))
    decision = decide(made, situation(seen_of(made, {"is-a@web1": 1}, web2="no route to host")))
    assert did(decision) == [("web1", "make-a")]
    assert decision.unmet[1:] == ["web2 cannot be observed: no route to host"]


def test_a_failed_check_leads_to_its_action() -> None:
    text = "  - {name: a, check: {observe: {module: uri}, expect: {status: 200}}, action: {module: shell}}\n"
    made = decider(text)
    decision = decide(made, situation(seen_of(made, {"uri": {"failed": True, "changed": False}})))
    assert decision.unmet == ["a on localhost: its check failed: it failed"]
    assert len(decision.actions) == 1
    assert decide(made, situation(seen_of(made, {"uri": {"status": 200}}))).converged
    assert decide(made, situation(seen_of(made, {"uri": {"status": 500}}))).unmet == [
        "a on localhost: status is 500, not 200"
    ]


def test_a_step_waits_until_what_it_requires_is_seen_in_place() -> None:
    made = decider(command("b", "requires: [a],") + command("a"))
    both = decide(made, situation(seen_of(made, {"is-a": 1, "is-b": 1})))
    assert did(both) == [("localhost", "make-a")]
    assert "Waiting for required steps: b." in both.reasoning
    assert did(decide(made, situation(seen_of(made, {"is-b": 1})))) == [("localhost", "make-b")]


def test_a_requirement_counts_on_the_same_host_or_else_everywhere() -> None:
    same = decider(command("a", "host: web,") + command("b", "host: web, requires: [a],"))
    seen = seen_of(same, {"is-a@web1": 1, "is-b": 1})
    assert did(decide(same, situation(seen))) == [("web1", "make-a"), ("web2", "make-b")]
    other = decider(command("a", "host: web,") + command("b", "host: db, requires: [a],"))
    assert did(decide(other, situation(seen_of(other, {"is-a@web1": 1, "is-b": 1})))) == [("web1", "make-a")]


def test_a_step_excluded_by_its_condition_is_neither_observed_nor_required() -> None:
    made = decider(command("a", "when: host == 'web1', host: web,") + command("b", "requires: [a], host: web,"))
    assert [spec.host for spec in made.observations(())] == ["web1", "web1", "web2"]
    assert did(decide(made, situation(seen_of(made, {"is-b": 1, "is-a": 1})))) == [
        ("web1", "make-a"),
        ("web2", "make-b"),
    ]


def test_when_may_read_what_was_observed() -> None:
    before = "observe: [{name: os, module: shell, params: {cmd: uname}}]\n"
    made = decider(command("a", "when: \"'Linux' in observed.os.stdout\", host: web,"), before)
    linux = {"uname": {"rc": 0, "stdout": "Linux\n"}, "is-a": 1}
    assert did(decide(made, situation(seen_of(made, linux)))) == [("web", "make-a")]
    assert decide(made, situation(seen_of(made, {**linux, "uname": {"rc": 0, "stdout": "BSD"}}))).converged
    blind = decide(made, situation(seen_of(made, linux, localhost="time-out")))
    assert not blind.actions
    assert not blind.converged
    assert "os cannot be observed: time-out" in blind.unmet[0]


def test_a_question_is_asked_only_when_a_ready_step_needs_it() -> None:
    sized = command("b", "requires: [a],").replace("make-b", '"make {{ answers.size }}"')
    made = decider(command("a") + sized, QUESTION)
    assert did(decide(made, situation(seen_of(made, {"is-a": 1, "is-b": 1})))) == [("localhost", "make-a")]
    assert decide(made, situation(seen_of(made, {}))).converged
    decision = decide(made, situation(seen_of(made, {"is-b": 1})))
    assert decision.ask is not None
    assert (decision.ask.key, decision.ask.options, decision.ask.default) == ("size", ["small", "large"], "small")
    assert not decision.actions
    for given, meant in (("large", "make large"), (None, "make small")):
        answers = [answer("size", given)]
        assert did(decide(made, situation(seen_of(made, {"is-b": 1}, answers), answers))) == [("localhost", meant)]
    wrong = [answer("size", "huge")]
    assert decide(made, situation(seen_of(made, {"is-b": 1}, wrong), wrong)).ask is not None


def test_the_steps_that_need_an_answer_first_are_counted_as_they_are_listed() -> None:
    conditional = command("c", "requires: [b], when: answers.size == 'large',")
    made = decider(command("a") + command("b", "requires: [a],") + conditional, QUESTION)
    decision = decide(made, situation(seen_of(made, {"is-a": 1, "is-b": 1})))
    assert decision.unmet[2:] == ["c on localhost: needs the answer to 'size'"]
    assert decision.reasoning == (
        "2 of 3 steps are out of place, 1 needs an answer. To do: a. Waiting for required steps: b. "
        "Questions later: c."
    )


def test_the_last_answer_applies() -> None:
    made = decider(command("b").replace("make-b", '"make {{ answers.size }}"'), QUESTION)
    answers = [answer("size", None), answer("size", "small"), answer("size", "large")]
    assert did(decide(made, situation(seen_of(made, {"is-b": 1}, answers), answers))) == [("localhost", "make large")]


def test_a_question_without_answer_and_default_blocks() -> None:
    made = decider(command("a").replace("make-a", '"give {{ answers.owner }}"'), QUESTION)
    answers = [answer("owner", None, None)]
    decision = decide(made, situation(seen_of(made, {"is-a": 1}), answers))
    assert decision.blocked == "cannot continue 'a': no answer to 'Whose is it?', which has no default"


def test_an_answer_that_a_path_needs_is_asked_before_it_is_observed() -> None:
    made = decider('  - {name: a, file: {path: "/srv/{{ answers.size }}", state: directory}}\n', QUESTION)
    assert made.observations(()) == []
    decision = decide(made, situation())
    assert decision.ask is not None
    assert decision.unmet == ["a on localhost: needs the answer to 'size'"]
    (spec,) = made.observations([answer("size", "large")])
    assert "/srv/large" in spec.params["paths"]


def test_a_single_expression_keeps_its_type() -> None:
    text = """  - name: a
    check: {command: is-a}
    action:
      module: x
      params: {n: "{{ vars.n }}", text: "n={{ vars.n }}", deep: [{l: "{{ vars.list }}"}], line: "{{ vars.n }}\\n"}
"""
    made = decider(text, "vars: {n: 3, list: [1, 2]}\n")
    (action,) = decide(made, situation(seen_of(made, {"is-a": 1}))).actions
    assert action.params == {"n": 3, "text": "n=3", "deep": [{"l": [1, 2]}], "line": "3\n"}


def test_what_cannot_be_rendered_on_a_host_blocks_with_file_and_line() -> None:
    made = decider('  - {name: a, file: {path: "{{ host }}/x", state: touch}}\n')
    decision = decide(made, situation(seen_of(made, {})))
    assert decision.blocked is not None
    assert decision.blocked.startswith("cannot use m.yaml:4: ")
    assert "is not absolute" in decision.blocked


def test_an_unknown_host_blocks() -> None:
    def no_such_host(target: str) -> Sequence[str]:
        raise not_found(f"cannot find the host {target!r}")

    made = ManifestDecider(steps(command("a", "host: wbe,")), expand=no_such_host)
    assert made.observations(()) == ()
    assert decide(made, situation()).blocked == "cannot find the host 'wbe'"


def failing(n: int) -> list[PastIteration]:
    return [failed("a") for _ in range(n)]


def test_after_failures_a_person_is_asked() -> None:
    made = decider(command("b") + command("a"))
    seen = seen_of(made, {"is-a": 1, "is-b": 1})
    decision = decide(made, situation(seen, past=failing(3), must_ask=True))
    assert decision.ask is not None
    assert decision.ask.question == ("Step 'a' has failed 3 times on localhost: no space left. How to continue?")
    assert (decision.ask.options, decision.ask.default) == ([RETRY, LEAVE_OUT, STOP], STOP)
    assert not decision.actions
    assert decide(made, situation(seen_of(made, {}), past=failing(3), must_ask=True)).converged


def test_no_step_is_named_that_has_not_failed() -> None:
    """The step that has failed is in place now; the engine asks its general question about the others."""
    made = decider(command("a") + command("b"))
    decision = decide(made, situation(seen_of(made, {"is-b": 1}), past=failing(3), must_ask=True))
    assert decision.ask is None
    assert [action.step for action in decision.actions] == ["b"]


def test_the_answer_to_a_failing_step_decides_what_follows() -> None:
    made = decider(command("a") + command("b", "requires: [a],") + command("c"))
    seen = seen_of(made, {"is-a": 1, "is-b": 1, "is-c": 1})
    first = decide(made, situation(seen, past=failing(3), must_ask=True)).ask
    assert first is not None
    past = [*failing(3), asked()]

    def after(
        word: str | None,
        by: str | None = "ana",
        seen: list[ObservationResult] = seen,
        past: list[PastIteration] = past,
    ) -> Decision:
        return decide(made, situation(seen, [answer(first.key or "", word, by)], past))

    assert did(after(RETRY)) == [("localhost", "make-a"), ("localhost", "make-c")]
    assert did(after(LEAVE_OUT)) == [("localhost", "make-c")]
    rest = after(LEAVE_OUT, seen=seen_of(made, {"is-a": 1, "is-b": 1}))
    assert rest.converged
    assert rest.reasoning == "Everything is in place except the steps left out by a person: a, b."
    assert rest.left_out == after(LEAVE_OUT).left_out == ["a", "b"]
    assert after(LEAVE_OUT, seen=seen_of(made, {"is-c": 1})).left_out == []
    assert after(STOP).blocked == "cannot continue 'a', which keeps failing: stopped by ana"
    for by in ("default", "default, dismissed by ana"):
        assert after(STOP, by).blocked == "cannot continue 'a', which keeps failing: no answer how to continue"
    assert after(None, None).blocked == "cannot continue 'a', which keeps failing: no answer how to continue"
    # Starting the loop again after a stop is a request to try again.
    assert did(after(STOP, past=[])) == [("localhost", "make-a"), ("localhost", "make-c")]
    again = decide(made, situation(seen, [answer(first.key or "", RETRY)], [*past, *failing(2)], must_ask=True)).ask
    assert again is not None
    assert again.key != first.key


def test_asking_with_nothing_to_try_blocks() -> None:
    made = decider(command("a", "host: web1,"))
    decision = decide(made, situation(seen_of(made, {}, web1="no route"), must_ask=True))
    assert decision.blocked is not None
    assert "web1 cannot be observed: no route" in decision.blocked


@pytest.mark.parametrize("module", ["file", "ansible.builtin.file"])
def test_a_written_action_equals_the_derived_one(module: str) -> None:
    short = decider("  - {name: a, file: {path: /a, state: directory, mode: 0755}}\n")
    long = decider(
        f"  - {{name: a, action: {{module: {module}, params: {{path: /a, state: directory, mode: 0755}}}}}}\n"
    )
    assert short.observations(()) == long.observations(())


def test_a_template_becomes_a_copy_with_its_content(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ greeting }} {{ host }} {{ vars.n }}\n")
    text = "  - {name: a, template: {src: t.j2, dest: /a, mode: 640, variables: {greeting: hi}}, host: web}\n"
    made = decider(text, "vars: {n: 1}\n", tmp_path)
    specs = made.observations(())
    assert [spec.host for spec in specs] == ["web1", "web2"]
    seen = [
        ObservationResult(name=one.name, host=one.host or "", success=True, result={"paths": {"/a": None}})
        for one in specs
    ]
    decision = decide(made, situation(seen))
    assert [(one.module, one.host, one.params) for one in decision.actions] == [
        ("copy", "web1", {"dest": "/a", "content": "hi web1 1\n", "mode": "0640"}),
        ("copy", "web2", {"dest": "/a", "content": "hi web2 1\n", "mode": "0640"}),
    ]
    assert decision.unmet[0] == "a on web1: /a does not exist"


async def test_rules_without_a_decider_converge() -> None:
    rules = RulesDecider()
    assert list(rules.observations(())) == []
    # Nothing was observed, so nothing is known.
    nothing = await rules.decide(situation(), NOT_CALLED)
    assert (nothing.converged, nothing.reasoning) == (False, "No rule applies to this loop, so nothing was checked.")
    assert (await rules.decide(situation(rules=[("r", "")]), NOT_CALLED)).converged
    decision = await rules.decide(situation(matched=["disk", "swap"], rules=[("disk", ""), ("swap", "")]), NOT_CALLED)
    assert not decision.converged
    assert decision.unmet[1] == "rule swap: its condition still holds although it has fired"
    assert decision.reasoning == "; ".join(decision.unmet)
    assert decision.actions == []
    broken = situation(unjudged=[("disk", "KeyError: 'df'")], rules=[("disk", ""), ("swap", "")])
    decision = await rules.decide(broken, NOT_CALLED)
    assert not decision.converged
    assert decision.reasoning == "cannot evaluate rule disk: KeyError: 'df'"


def test_a_step_that_is_unknown_on_one_host_and_would_change_another_is_named_with_the_host() -> None:
    made = decider(command("a", "host: web,") + command("b", "host: web,"))
    decision = decide(made, situation(seen_of(made, {"is-a@web1": 1}, web2="no route to host"), dry_run=True))
    assert decision.reasoning == "Of 2 steps, would change: a. Not known: a on web2, b."
