"""Verbs of rules, from the files on disk to the reply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.settings.sections import StoreSettings
from ftl2_enterprise.loops.handlers import table as handlers
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows, rules as rule_rows
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops import verbs
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.rules import RuleBinding
from ftl2_enterprise.store.events import list_events
from ftl2_enterprise.wiring.loops import gather
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.data.database import one_of_each, spec
from tests.support.service.reading import reader_here

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.database import Store

GOOD = '''"""Make it so.

In more words."""
applies_to = "everything"
async def condition(state): return True
async def action(ftl): pass
'''


async def gathered(db: Store, rules_dir: str, request: Request[Any]) -> Any:
    settings = MODEL.of(LoopSettings(rules_dir=rules_dir), StoreSettings(path=str(db.path)))
    return await gather.gathers(reader_here(settings))[type(request)](request)


async def see(db: Store, rules_dir: str, request: Request[Any]) -> Any:
    files = await gathered(db, rules_dir, request)
    with db.read() as tx:
        return handlers.READS[type(request)](tx, request, Table(), files)


async def do(db: Store, rules_dir: str, request: Request[Any]) -> Any:
    file = await gathered(db, rules_dir, request)
    unit = handlers.WRITES[type(request)]
    # As the writer gets it: in bytes.
    arguments = unit.decode(unit.encode((request, file), {}))
    with db.write() as tx:
        tx.actor = "eva"
        return unit.function(tx, **arguments)


@pytest.fixture
def rules(tmp_path: Path) -> str:
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "good.py").write_text(GOOD)
    (directory / "torn.py").write_text("async def condition(:\n")
    (directory / "plain.py").write_text(GOOD.replace("async def condition", "def condition"))
    # A rule that raises when it is executed, which reading must not do.
    (directory / "trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{GOOD}")
    return str(directory)


async def test_rules_are_read_and_never_run(db: Store, rules: str, tmp_path: Path) -> None:
    found = {rule.name: rule for rule in await see(db, rules, verbs.ListRules())}
    assert list(found) == ["good", "plain", "torn", "trap"]
    assert (found["good"].description, found["good"].error, found["good"].enabled) == ("Make it so.", None, True)
    assert "SyntaxError" in str(found["torn"].error)
    assert found["plain"].error == "condition is not an async function; write `async def condition(state):`"
    assert found["trap"].error is None
    shown = await see(db, rules, verbs.ShowRule(rule="good"))
    assert (shown.source, shown.rule) == (GOOD, found["good"])
    assert not (tmp_path / "ran").exists()


async def test_rules_in_directories_of_loops_are_listed(db: Store, rules: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "good.py").write_text(GOOD)
    (own / "mine.py").write_text(GOOD)
    with db.write() as tx:
        iteration = one_of_each(tx)
        loop_rows.create_loop(tx, spec("other", rules_dir=str(own)))
        loop_rows.create_loop(tx, spec("again", rules_dir=str(own)))
        rule_rows.insert_rule_result(
            tx, iteration, rule_name="mine", rule_digest="d", matched=True, fired=True, success=True, detail=None
        )
    found = await see(db, rules, verbs.ListRules())
    assert [rule.name for rule in found] == ["good", "good", "mine", "plain", "torn", "trap"]
    assert {rule.name: rule.fired for rule in found} == {"good": 0, "mine": 1, "plain": 0, "torn": 0, "trap": 0}
    assert found[2].last_fired_at is not None
    with pytest.raises(Problem, match='cannot find the rule "good": several files'):
        await see(db, rules, verbs.ShowRule(rule="good"))
    path = str(own / "good.py")
    assert (await see(db, rules, verbs.ShowRule(rule=path))).rule.path == path


async def test_rules_of_a_loop_are_those_that_apply_to_it(db: Store, rules: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text("web: {hosts: {web01: }}\n")
    bound = {
        "by_loop": {"loops": "shop"},
        "by_label": {"labels": {"tier": "web"}},
        "by_host": {"hosts": "web"},
        "by_registered": {"hosts": "new"},
        "global": None,
    }
    for name, binding in bound.items():
        text = GOOD.replace('applies_to = "everything"', f"applies_to = {binding}" if binding else "")
        (Path(rules) / f"{name}.py").write_text(text)
    inventory = str(tmp_path / "hosts.yaml")
    with db.write() as tx:
        one_of_each(tx)
        loop_rows.create_loop(tx, spec("shop", labels={"tier": "data"}, inventory=inventory))
        other = loop_rows.create_loop(tx, spec("other", labels={"tier": "web"}))
        host_rows.upsert_host(
            tx, other.id, "new01", ansible_host="192.0.2.9", ansible_port=None, ansible_user=None, groups=["new"],
            variables={},
        )  # fmt: skip
    everywhere = {"global", "good", "plain", "torn", "trap"}
    for loop, names in (("shop", {"by_loop", "by_host"}), ("other", {"by_label", "by_registered"})):
        found = await see(db, rules, verbs.ListRules(loop=loop))
        assert {rule.name for rule in found} == everywhere | names
    every = {rule.name: rule for rule in await see(db, rules, verbs.ListRules())}
    assert every["by_host"].applies_to == RuleBinding(hosts=["web"])
    assert every["good"].applies_to == RuleBinding()
    assert (every["global"].applies_to, every["torn"].applies_to) == (None, None)
    assert str(every["global"].error).startswith("it does not state what it applies to; add applies_to")
    with pytest.raises(Problem, match="cannot find the loop"):
        await see(db, rules, verbs.ListRules(loop="nothing"))


async def test_a_rule_is_shown_with_its_observations_and_when_it_fired(db: Store, rules: str) -> None:
    observe = 'observe = [{"name": "up", "module": "unit", "host": "web"}]\n'
    (Path(rules) / "good.py").write_text(GOOD + observe)
    (Path(rules) / "trap.py").write_text(GOOD + "observe = made()\n")
    with db.write() as tx:
        iteration = one_of_each(tx)
        for success in (True, False, None):
            rule_rows.insert_rule_result(
                tx, iteration, rule_name="good", rule_digest="d", matched=True, fired=True, success=success,
                detail="as it was",
            )  # fmt: skip
        rule_rows.insert_rule_result(
            tx,
            iteration,
            rule_name="good",
            rule_digest="d",
            matched=False,
            fired=False,
            success=None,
            detail="broken",
        )
        name = loop_rows.get_loop(tx, iteration.loop_id).name
    shown = await see(db, rules, verbs.ShowRule(rule="good"))
    assert shown.observe == [ObservationSpec(name="up", module="unit", host="web")]
    assert [(one.loop, one.iteration, one.success, one.detail) for one in shown.firings] == [
        (name, iteration.n, success, "as it was") for success in (None, False, True)
    ]
    assert (await see(db, rules, verbs.ShowRule(rule="trap"))).observe is None


async def test_a_rule_is_disabled_and_enabled(db: Store, rules: str) -> None:
    off = await do(db, rules, verbs.DisableRule(rule="good"))
    assert (off.enabled, off.disabled_by) == (False, "eva")
    assert await do(db, rules, verbs.DisableRule(rule="good")) == off
    on = await do(db, rules, verbs.EnableRule(rule="good"))
    assert (on.enabled, on.disabled_by) == (True, None)
    assert await do(db, rules, verbs.EnableRule(rule="good")) == on
    with db.read() as tx:
        assert [(event.kind, event.actor) for event in list_events(tx)] == [
            ("rule.disabled", "eva"), ("rule.enabled", "eva"),
        ]  # fmt: skip
    for request in (verbs.DisableRule(rule="god"), verbs.EnableRule(rule="god")):
        with pytest.raises(Problem, match='cannot find the rule "god"') as caught:
            await do(db, rules, request)
        assert caught.value.hint == 'did you mean "good"?'


async def test_rules_json_disables_rules(db: Store, rules: str) -> None:
    (Path(rules) / "rules.json").write_text('{"disabled": ["good"], "broken": {}}')
    found = {rule.name: rule for rule in await see(db, rules, verbs.ListRules())}
    assert (found["good"].enabled, found["good"].disabled_by) == (False, "rules.json")
    with pytest.raises(Problem, match=r"rules\.json disables it"):
        await do(db, rules, verbs.EnableRule(rule="good"))
    (Path(rules) / "rules.json").write_text("{")
    assert "cannot read" in str((await see(db, rules, verbs.ListRules()))[0].error)


async def test_without_rules_the_list_is_empty(db: Store, tmp_path: Path) -> None:
    assert await see(db, str(tmp_path / "nothing"), verbs.ListRules()) == []
    assert await see(db, "", verbs.ListRules()) == []
    with pytest.raises(Problem, match='cannot find the rule "good"') as caught:
        await see(db, "", verbs.ShowRule(rule="good"))
    assert caught.value.hint == "there are no rules"
