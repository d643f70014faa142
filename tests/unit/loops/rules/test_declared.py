"""What the text of a rule file declares."""

from __future__ import annotations

import pytest

from ftl2_enterprise.loops.rules.declared import declared
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.rules import RuleBinding

FUNCTIONS = "async def condition(state): ...\nasync def action(ftl): ...\n"


@pytest.mark.parametrize(
    ("value", "binding"),
    [
        ('"everything"', RuleBinding()),
        ('{"loops": "web"}', RuleBinding(loops=["web"])),
        ('{"loops": ["web", "shop-*"]}', RuleBinding(loops=["web", "shop-*"])),
        ('{"hosts": ("web", "db?")}', RuleBinding(hosts=["web", "db?"])),
        (
            '{"labels": {"tier": "web", "stage": ["test", "prod-*"]}}',
            RuleBinding(labels={"tier": ["web"], "stage": ["test", "prod-*"]}),
        ),
        (
            '{"loops": "*", "labels": {"tier": "*"}, "hosts": ["all"]}',
            RuleBinding(loops=["*"], labels={"tier": ["*"]}, hosts=["all"]),
        ),
    ],
)
def test_what_a_rule_applies_to_is_read_from_its_text(value: str, binding: RuleBinding) -> None:
    found = declared(f'"""Repair."""\nopen("/nowhere/at/all")\napplies_to = {value}\n{FUNCTIONS}'.encode())
    assert (found.applies_to, found.error, found.description) == (binding, None, "Repair.")
    assert found.applies_to is not None
    assert found.applies_to.is_everything == (value == '"everything"')


def test_an_annotation_is_permitted() -> None:
    assert declared(b'applies_to: dict = {"loops": "web"}').applies_to == RuleBinding(loops=["web"])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", 'it does not state what it applies to; add applies_to = "everything", or name loops, labels or hosts'),
        ("if True:\n    applies_to = 'everything'", "it does not state what it applies to"),
        ("def f():\n    applies_to = 'everything'", "it does not state what it applies to"),
        ("from common import applies_to", "it does not state what it applies to"),
        ("a, applies_to = 1, 'everything'", "it does not state what it applies to"),
        ("applies_to = 'everything'\napplies_to = {'loops': 'web'}", "it uses applies_to more than once"),
        ("applies_to = {'loops': '*'}\napplies_to['hosts'] = ['web']", "it uses applies_to more than once"),
        ("applies_to = {'loops': '*'}\napplies_to |= {'hosts': 'web'}", "it uses applies_to more than once"),
        ("applies_to = {'loops': NAMES}", "applies_to is computed; write its value"),
        ("applies_to = dict(loops='web')", "applies_to is computed"),
        ("applies_to = 'all'", 'applies_to is neither "everything" nor a mapping'),
        ("applies_to = None", 'applies_to is neither "everything" nor a mapping'),
        ("applies_to = ['web']", 'applies_to is neither "everything" nor a mapping'),
        ("applies_to = {}", "applies_to is empty"),
        ("applies_to = {'host': 'web'}", "applies_to has the key 'host', which does not exist; did you mean hosts?"),
        ("applies_to = {3: 'web'}", "applies_to has the key 3, which does not exist; use loops, labels or hosts"),
        ("applies_to = {'loops': []}", "applies_to has an empty list for loops"),
        ("applies_to = {'loops': 3}", "applies_to has for loops neither a text nor a list of texts"),
        ("applies_to = {'loops': None}", "applies_to has for loops neither"),
        ("applies_to = {'hosts': ['web', 3]}", "applies_to has for hosts 3, which is no name or pattern"),
        ("applies_to = {'hosts': ''}", "applies_to has for hosts '', which is no name or pattern"),
        ("applies_to = {'hosts': ' web'}", "applies_to has for hosts ' web', which is no name or pattern"),
        ("applies_to = {'labels': 'tier'}", "applies_to has labels that are no mapping"),
        ("applies_to = {'labels': {}}", "applies_to has labels that are no mapping, or an empty one"),
        ("applies_to = {'labels': {3: 'x'}}", "applies_to has the label 3, which is no text"),
        ("applies_to = {'labels': {'tier': []}}", "applies_to has an empty list for the label tier"),
        ("applies_to = {'labels': {'tier': True}}", "applies_to has for the label tier neither"),
        ("def (", "SyntaxError: invalid syntax (line 1)"),
        ("\0", "SyntaxError"),
        ("(" * 10_000, "SyntaxError"),
    ],
)
def test_a_file_that_does_not_state_it_in_a_valid_form_is_broken(text: str, error: str) -> None:
    found = declared(text.encode())
    assert found.applies_to is None
    assert (found.error or "").startswith(error)


def test_a_function_that_is_not_async_does_not_hide_what_the_rule_applies_to() -> None:
    found = declared(b"applies_to = {'loops': 'web'}\ndef action(ftl): ...")
    assert found.applies_to == RuleBinding(loops=["web"])
    assert found.error == "action is not an async function; write `async def action(ftl):`"


def test_observations_are_read_if_they_are_written_as_values() -> None:
    head = "applies_to = 'everything'\nobserve = "
    one = ObservationSpec(name="a", module="stat", params={"follow": True, "x": None})
    assert declared(f'{head}[{{"name": "a", "module": "stat", "params": {{"follow": true, "x": null}}}}]'.encode()) \
        .observe == [one]  # fmt: skip
    assert declared(b"applies_to = 'everything'").observe == []
    for computed in ("[make()]", "[f'{x}']", "{}", "[{'name': 3}]"):
        found = declared(f"{head}{computed}".encode())
        assert (found.observe, found.error) == (None, None), computed
