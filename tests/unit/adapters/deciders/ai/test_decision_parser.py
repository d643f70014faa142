from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator

from ftl2_enterprise.adapters.deciders.ai.decision_parser import (
    MalformedDecision,
    decision_in,
    unasked,
    validated,
)
from ftl2_enterprise.adapters.deciders.ai.schema import decision_schema
from ftl2_enterprise.adapters.models.port import ModelReply
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision, ObservationSpec
from tests.support.loops.models import text, value

ACT = {"reasoning": "r", "actions": [{"module": "file", "params": {"path": "/x", "state": "directory"}}]}
ACTED = Decision(reasoning="r", actions=[ActionSpec(module="file", params={"path": "/x", "state": "directory"})])

MALFORMED: dict[str, Any] = {
    "a list": [ACT],
    "a number": 7,
    "a text": "converged",
    "empty object": {},
    "null fields": {"reasoning": None, "converged": None, "actions": None},
    "observe null": {"observe": None},
    "action without module": {"actions": [{"params": {"cmd": "true"}}]},
    "action that is a text": {"actions": ["command true"]},
    "observation without name": {"observe": [{"module": "stat"}]},
    "converged as text": {"converged": "true"},
    "converged as number": {"converged": 1},
    "params as list": {"actions": [{"module": "command", "params": ["true"]}]},
    "params null": {"actions": [{"module": "command", "params": None}]},
    "host as list": {"actions": [{"module": "command", "host": ["a"]}]},
    "unknown key": {"converged": True, "confidence": 0.9},
    "unknown key in an action": {"actions": [{"module": "command", "become": True}]},
    "wrapped": {"decision": {"converged": True}},
    "reasoning only": {"reasoning": "I am thinking"},
    "unmet only": {"unmet": ["nginx is missing"]},
    "empty module": {"actions": [{"module": " "}]},
    "empty host": {"actions": [{"module": "command", "host": ""}]},
    "empty observation name": {"observe": [{"name": "", "module": "stat"}]},
    "one name for two": {"observe": [{"name": "a", "module": "stat"}, {"name": "a", "module": "find"}]},
    "blocked by nothing": {"blocked": "  "},
    "ask with actions": ACT | {"ask": {"question": "May I?"}},
    "ask without question": {"ask": {"options": ["a"]}},
    "empty question": {"ask": {"question": ""}},
    "question as text": {"ask": "May I?"},
    "empty option": {"ask": {"question": "Which?", "options": ["a", ""]}},
    "option twice": {"ask": {"question": "Which?", "options": ["a", "a"]}},
    "default not offered": {"ask": {"question": "Which?", "options": ["a"], "default": "b"}},
    "converged with actions": ACT | {"converged": True},
    "converged and blocked": {"converged": True, "blocked": "no"},
    "converged with unmet": {"converged": True, "unmet": ["nginx is down"]},
    "unknown op": {"state_ops": [{"op": "drop_host", "name": "a"}]},
    "op without name": {"state_ops": [{"op": "remove", "name": ""}]},
    "port too high": {"state_ops": [{"op": "add_host", "name": "a", "ansible_port": 70000}]},
    "port as text": {"state_ops": [{"op": "add_host", "name": "a", "ansible_port": "22"}]},
    "check of nothing": {"converged": True, "check": {"observe": [], "expect": []}},
    "check of another name": {
        "converged": True,
        "check": {"observe": [{"name": "a", "module": "stat"}], "expect": [{"observation": "b"}]},
    },
    "check by a broken pattern": {
        "converged": True,
        "check": {
            "observe": [{"name": "a", "module": "stat"}],
            "expect": [{"observation": "a", "op": "matches", "value": "("}],
        },
    },
    "check by a text as bound": {
        "converged": True,
        "check": {
            "observe": [{"name": "a", "module": "stat"}],
            "expect": [{"observation": "a", "op": "at_least", "value": "3"}],
        },
    },
    "check by an unknown operator": {
        "converged": True,
        "check": {"observe": [{"name": "a", "module": "stat"}], "expect": [{"observation": "a", "op": "is"}]},
    },
    "half a surrogate pair in a step": {
        "actions": [{"module": "command", "params": {"cmd": "true"}, "step": "\ud800"}]
    },
    "half a surrogate pair": {"converged": True, "reasoning": "\ud800"},
}

TEXTS: dict[str, str] = {
    "nothing": "",
    "blanks": " \n ",
    "prose": "I would restart nginx, because it is down.",
    "truncated": json.dumps(ACT)[:-20],
    "truncated after an inner object": '{"actions": [{"module": "command", "params": {"converged": true}',
    "truncated inside a text with JSON": '{"reasoning": "so {\\"converged\\": true} it is',
    "truncated before the end of a text": '{"reasoning": "it printed {} and',
    "a megabyte": "x" * 1_000_000,
    "a megabyte of braces": "{" * 1_000_000,
    "a megabyte of nesting": '{"a":' * 200_000,
    "a megabyte of open texts": '{ "a ' * 200_000,
    "five megabytes": json.dumps({"converged": True, "reasoning": "x" * 5_000_000}),
    "NaN": '{"actions": [{"module": "file", "params": {"size": NaN}}]}',
    "infinite": '{"actions": [{"module": "file", "params": {"size": 1e999}}]}',
    "thousands of digits": '{"actions": [{"module": "file", "params": {"size": ' + "9" * 5_000 + "}}]}",
    "a key twice": '{"converged": false, "converged": true}',
    "single quotes": "{'converged': True}",
    "two that differ": '{"converged": true} or rather {"blocked": "no"}',
    "not UTF-8": b'\xff\xfe{"conv\x80erged"'.decode("utf-8", "replace"),
    "null": "null",
    "a list around it": json.dumps([ACT]),
    "yaml": "converged: true\nreasoning: fine\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_decision_is_refused_with_reasons(name: str) -> None:
    with pytest.raises(MalformedDecision) as caught:
        decision_in(value(MALFORMED[name]))
    assert all(fault.strip() and "\n" not in fault for fault in caught.value.faults)


@pytest.mark.parametrize("name", sorted(set(MALFORMED) - {"half a surrogate pair", "a list"}))
def test_a_malformed_decision_in_a_text_is_refused(name: str) -> None:
    with pytest.raises(MalformedDecision):
        decision_in(text(f"Here it is:\n```json\n{json.dumps(MALFORMED[name])}\n```\n"))


@pytest.mark.parametrize("name", TEXTS)
def test_long_text_without_a_decision_is_refused_quickly(name: str) -> None:
    started = time.process_time()
    with pytest.raises(MalformedDecision):
        decision_in(text(TEXTS[name]))
    assert time.process_time() - started < 5


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(MalformedDecision) as caught:
        validated({"actions": [{"module": ""}, {"module": "x", "host": ""}], "state_ops": [{"op": "x", "name": "a"}]})
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(ACT),
        "\ufeff" + json.dumps(ACT, indent=2) + "\n",
        f"Sure.\n```json\n{json.dumps(ACT, indent=2)}\n```\nThat is all.",
        f"```\nnot json\n```\nbut\n  ```JSON\n{json.dumps(ACT)}\n  ```",
        f"The host {{web1}} needs this {{}} here: {json.dumps(ACT)} and {{that}}.",
        f"In a set {{1, 2}} I answer {json.dumps(ACT)}",
        f"{json.dumps(ACT)}\n\nTo repeat: {json.dumps(ACT)}",
        f'Not {{"converged": "maybe"}} but {json.dumps(ACT)}',
        json.dumps(ACT).replace('"r"', '"r"  \n'),
    ],
)
def test_a_decision_is_found_anywhere_in_the_output(answer: str) -> None:
    assert decision_in(text(answer)) == ACTED


def test_a_fence_inside_a_text_of_the_decision_is_no_fence() -> None:
    code = 'async def action(ftl):\n    """Example:\n```json\n{"converged": true}\n```\n"""\n'
    written = {"actions": [{"module": "copy", "params": {"content": code, "dest": "/r.py"}}]}
    for answer in (
        json.dumps(written),
        f"Here:\n{json.dumps(written)}",
        f"```json\n{json.dumps(written, indent=1)}\n```",
    ):
        decision = decision_in(text(answer))
        assert decision.actions[0].params["content"] == code
        assert not decision.converged


def test_a_line_break_inside_a_text_is_forgiven() -> None:
    assert decision_in(text('{"converged": true, "reasoning": "one\ntwo"}')).reasoning == "one\ntwo"


def test_the_structured_value_counts_before_the_text() -> None:
    assert decision_in(ModelReply(value=ACT, text='{"converged": true}')) == ACTED


def test_a_check_without_convergence_is_ignored() -> None:
    check = {"observe": [{"name": "a", "module": "stat"}], "expect": [{"observation": "a", "path": "stat.exists"}]}
    assert validated(ACT | {"check": check}).check is None
    assert validated({"converged": True, "check": check}).check is not None


@pytest.mark.parametrize(
    "decided",
    [
        {"observe": [{"name": "os", "module": "command", "params": {"cmd": "cat /etc/os-release"}, "host": "all"}]},
        ACT | {"observe": [{"name": "x", "module": "stat", "params": {"path": "/x"}}], "unmet": ["/x is missing"]},
        {"state_ops": [{"op": "add_host", "name": "web2", "ansible_host": "10.0.0.2", "groups": ["web"]}]},
        {"converged": True, "state_ops": [{"op": "add_resource", "name": "vm", "data": {"id": 1}}]},
        {"ask": {"question": "Which?", "options": ["a", "b"], "default": "b", "key": "which"}},
        {"ask": {"question": "Why?", "default": "because"}, "observe": [{"name": "a", "module": "stat"}]},
        {"blocked": "the disk is gone"},
    ],
)
def test_valid_decisions_are_accepted_and_match_the_schema(decided: dict[str, Any]) -> None:
    Draft202012Validator(decision_schema()).validate(decided)
    assert (
        msgspec.to_builtins(validated(decided)).items()
        >= {key: item for key, item in decided.items() if isinstance(item, bool | str)}.items()
    )


def test_the_schema_is_one_object_and_refuses_what_the_struct_refuses() -> None:
    schema = decision_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert "$ref" not in schema
    assert set(schema["properties"]) == set(Decision.__struct_fields__)
    by_schema = Draft202012Validator(schema)
    for name in ("unknown key", "action without module", "observe null", "converged as text", "unknown op"):
        assert not by_schema.is_valid(MALFORMED[name]), name


def test_a_due_question_may_only_be_replaced_by_an_end() -> None:
    assert unasked(ACTED) is not None
    assert unasked(Decision(observe=[ObservationSpec(name="a", module="stat")])) is not None
    for decision in (Decision(ask=Ask(question="?")), Decision(blocked="no"), Decision(converged=True)):
        assert unasked(decision) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(Decision.__struct_fields__), JSON)


@given(FIELDS | JSON)
def test_any_value_is_a_decision_or_malformed(anything: Any) -> None:
    reply = ModelReply(value=anything, text=str(anything).encode("utf-8", "replace").decode())
    with contextlib.suppress(MalformedDecision):
        decision = decision_in(reply)
        assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


@given(st.text(alphabet='{}[]":, \n`abc\\truefals', max_size=200))
def test_any_text_is_a_decision_or_malformed(anything: str) -> None:
    with contextlib.suppress(MalformedDecision):
        decision = decision_in(text(anything))
        assert validated(msgspec.to_builtins(decision)) == decision
