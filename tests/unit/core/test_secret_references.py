"""What stands for a secret: it is replaced once, at the end, and nothing from outside can contain it."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ftl2_enterprise.core.redact import MASK, Redactor
from ftl2_enterprise.core.secret_references import BEGIN, is_reference, reference, refers, reveal, without_references

VALUES = {"db": "hunter2", "api": "s3cr3t⟧⟦secret:db⟧"}


def test_references_are_replaced_at_any_depth_and_once() -> None:
    value = {"a": [f"x {reference('db')} y", 1, None], "b": {"c": reference("api")}, "d": reference("none")}
    assert reveal(value, VALUES.get) == {
        "a": ["x hunter2 y", 1, None],
        "b": {"c": VALUES["api"]},
        "d": reference("none"),
    }


@given(st.recursive(st.text(alphabet="⟦secret:db⟧ a"), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_what_comes_from_outside_refers_to_no_secret(value: object) -> None:
    safe = without_references(value)
    assert reveal(safe, VALUES.get) == safe
    assert reveal(f"{safe}{safe}", VALUES.get) == f"{safe}{safe}"


def test_a_reference_is_no_secret_and_stays_where_a_secret_is_hidden() -> None:
    redactor = Redactor(["hunter2"])
    assert redactor.value({"password": reference("db")}) == {"password": reference("db")}
    assert redactor.text(f"password={reference('db')}") == f"password={reference('db')}"
    assert redactor.value({"password": f"{reference('db')} hunter3"}) == {"password": MASK}
    assert refers({"a": [reference("db")]})
    assert not refers({"a": ["⟦secret:"]})
    assert is_reference(reference("answers.pin"))
    assert not is_reference(f"a{reference('db')}")
    assert BEGIN in reference("db")
