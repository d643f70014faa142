"""Expectations over observations: what holds, what does not, and what can never be satisfied."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.loops.engine.check import MAX_TEXT, evaluate, lookup, unmet
from ftl2_enterprise.loops.ports import ObservationResult
from ftl2_enterprise.protocol.loops.decision import Check, Expectation, ObservationSpec, Operator

RESULT: dict[str, Any] = {
    "rc": 0,
    "stdout": "active\n",
    "percent": "85\n",
    "on": True,
    "none": None,
    "list": [{"name": "a"}, {"name": "b"}],
    "dotted.key": {"x": 1},
    "mounts": {"/var/lib": {"free": 3}},
    "many": "a\nb\nc",
}


def expect(path: str, op: str, value: Any = None) -> str | None:
    return evaluate(Expectation(observation="o", path=path, op=Operator(op), value=value), {"o": RESULT})


@pytest.mark.parametrize(
    ("path", "op", "value"),
    [
        ("rc", "equals", 0),
        ("stdout", "equals", "active"),
        ("on", "equals", True),
        ("list", "equals", [{"name": "a"}, {"name": "b"}]),
        ("list.1.name", "equals", "b"),
        ("list.-1.name", "equals", "b"),
        ("dotted.key.x", "equals", 1),
        ("mounts./var/lib.free", "at_least", 3),
        ("rc", "not_equals", 1),
        ("rc", "not_equals", False),
        ("stdout", "contains", "tiv"),
        ("list", "contains", {"name": "a"}),
        ("mounts", "contains", "/var/lib"),
        ("stdout", "not_contains", "inactive"),
        ("stdout", "matches", "^act"),
        ("many", "matches", "(?m)^b$"),
        ("rc", "matches", "^0$"),
        ("none", "absent", None),
        ("nothing.at.all", "absent", None),
        ("list.2", "absent", None),
        ("list.0", "exists", None),
        ("", "exists", None),
        ("percent", "at_most", 90),
        ("percent", "at_least", "85"),
    ],
)
def test_expectations_that_hold(path: str, op: str, value: Any) -> None:
    assert expect(path, op, value) is None


@pytest.mark.parametrize(
    ("path", "op", "value", "reason"),
    [
        ("rc", "equals", 1, "rc is 0, not 1"),
        ("on", "equals", 1, "on is true, not 1"),
        ("rc", "equals", False, "rc is 0, not false"),
        ("stdout", "equals", "inactive", "stdout is 'active', not 'inactive'"),
        ("none", "exists", None, "none is missing"),
        ("gone", "equals", None, "gone is missing"),
        ("gone", "not_equals", 1, "gone is missing"),
        ("gone", "not_contains", 1, "gone is missing"),
        ("rc.deeper", "exists", None, "rc.deeper is missing"),
        ("list.x", "exists", None, "list.x is missing"),
        ("rc", "absent", None, "rc exists: 0"),
        ("rc", "not_equals", 0, "rc is 0"),
        ("stdout", "contains", "xyz", "stdout does not contain 'xyz': it is 'active'"),
        ("stdout", "not_contains", "act", "stdout contains 'act'"),
        ("rc", "contains", 0, "rc is 0, which cannot contain anything"),
        ("rc", "not_contains", 0, "rc is 0, which cannot contain anything"),
        ("stdout", "matches", "^b", "stdout does not match '^b': it is 'active'"),
        ("stdout", "matches", "(", "is not a regular expression"),
        ("stdout", "matches", 5, "the pattern is 5, not a text"),
        ("stdout", "matches", "a" * 1001, "too long"),
        ("percent", "at_least", 90, "percent is '85', less than 90"),
        ("percent", "at_most", 80, "percent is '85', more than 80"),
        ("stdout", "at_least", 1, "'active' is not a number"),
        ("rc", "at_most", "nan", "'nan' is not a number"),
        ("on", "at_least", 0, "true is not a number"),
    ],
)
def test_expectations_that_do_not_hold(path: str, op: str, value: Any, reason: str) -> None:
    line = expect(path, op, value)
    assert line is not None
    assert reason in line
    assert "\n" not in line


@pytest.mark.parametrize("op", list(Operator))
def test_a_failed_observation_satisfies_nothing(op: Operator) -> None:
    expectation = Expectation(observation="o", path="x", op=op, value=1)
    check = Check(observe=[ObservationSpec(name="o", module="shell")], expect=[expectation])
    failed = ObservationResult(name="o", host="web1", success=False, result={}, error="connection refused")
    assert unmet(check, [failed]) == (["o on web1 cannot be observed: connection refused"],) * 2
    assert unmet(check, []) == (["o was not observed"],) * 2
    assert evaluate(expectation, {}) == "o was not observed"


def test_a_group_holds_only_when_every_host_does() -> None:
    check = Check(observe=[], expect=[Expectation(observation="o", path="rc", value=0)])
    good = ObservationResult(name="o", host="web1", success=True, result={"rc": 0})
    bad = ObservationResult(name="o", host="web2", success=True, result={"rc": 3})
    assert unmet(check, [good]) == ([], [])
    assert unmet(check, [good, bad]) == (["o on web2: rc is 3, not 0"], [])


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a*)*b", "((a+))+$", "(a|aa)+$", "(?:a{1,9}){1,99}$", "(?P<x>a?)*$", "([()]|a+)*$"]
)
def test_a_slow_pattern_is_limited_in_time(pattern: str) -> None:
    expectation = Expectation(observation="o", path="x", op=Operator.MATCHES, value=pattern)
    began = time.monotonic()
    assert evaluate(expectation, {"o": {"x": "a" * 60 + "!"}}) is not None
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "pattern", ["(?:abc)+", "(a+)?b", "[(a+)]+", r"\(a+\)+", "(?i)A+", "a{2}", "x{y}|a", "^a.*$"]
)
def test_a_valid_pattern_is_accepted(pattern: str) -> None:
    line = evaluate(Expectation(observation="o", path="x", op=Operator.MATCHES, value=pattern), {"o": {"x": "zz"}})
    assert line is None or line.startswith("x does not match")


def test_a_very_long_text_is_not_searched() -> None:
    expectation = Expectation(observation="o", path="x", op=Operator.MATCHES, value="a")
    assert "characters" in (evaluate(expectation, {"o": {"x": "a" * (MAX_TEXT + 1)}}) or "")
    two = Expectation(observation="o", path="x", op=Operator.MATCHES, value="a.*b.*c")
    assert evaluate(two, {"o": {"x": "line\n" * 100_000 + "a b c"}}) is None
    assert "too many" in (evaluate(two, {"o": {"x": "a" * 3_000}}) or "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_observed_value_is_compared_without_raising(value: Any) -> None:
    for op in Operator:
        for expected in (value, 1, "x", None, []):
            line = evaluate(Expectation(observation="o", path="v", op=op, value=expected), {"o": {"v": value}})
            assert line is None or "\n" not in line
    equal = evaluate(Expectation(observation="o", path="v", value=value), {"o": {"v": value}})
    assert equal is None


def test_lookup_prefers_the_whole_key() -> None:
    assert lookup({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert lookup({"a": {"b.c": 3}}, "a.b.c") == 3
