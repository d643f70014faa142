"""Rule files: loaded, broken, disabled, and tried again when they change."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.rules.load import load_rules
from tests.support.loops.rules import RulesHere, scope, write_rule

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.rules.rule import RuleSet


def load(directory: Path | None, *, required: bool = True) -> RuleSet:
    return asyncio.run(load_rules(directory, RulesHere(), scope(), required=required))


def notes(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "rules.json").read_text())


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_rules_are_loaded_in_name_order_with_their_declarations(tmp_path: Path) -> None:
    write_rule(tmp_path, "b_second")
    write_rule(tmp_path, "a_first", doc="Restart it", head='observe = [{"name": "up", "module": "command"}]')
    (tmp_path / "notes.txt").write_text("no rule")
    found = load(tmp_path)
    assert [rule.name for rule in found.rules] == ["a_first", "b_second"]
    first = found.rules[0]
    assert first.description == "Restart it"
    assert [(spec.name, spec.module, spec.host) for spec in first.observe] == [("up", "command", None)]
    assert len(first.digest) == 64
    assert b"async def condition" in first.file.source
    assert names(tmp_path) == ["a_first.py", "b_second.py", "notes.txt"]


def test_json_literals_in_observe_load(tmp_path: Path) -> None:
    head = 'observe = [{"name": "f", "module": "file", "params": {"force": true, "x": null}, "host": null}]'
    write_rule(tmp_path, "generated", head=head)
    (found,) = load(tmp_path).rules
    assert found.observe[0].params == {"force": True, "x": None}


def test_a_file_that_is_listed_as_broken_without_its_digest_is_tried_again(tmp_path: Path) -> None:
    write_rule(tmp_path, "good", head='observe = [{"name": "f", "module": "stat", "params": {"x": false}}]')
    (tmp_path / "rules.json").write_text('{"disabled": [], "broken": {"good": "name \'false\' is not defined"}}')
    assert [rule.name for rule in load(tmp_path).rules] == ["good"]
    assert notes(tmp_path) == {"disabled": [], "broken": {}}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("async def action(ftl): pass", "it has no function condition; write `async def condition(state):`"),
        ("async def condition(state): pass", "it has no function action; write `async def action(ftl):`"),
        ("def condition(state): pass\nasync def action(ftl): pass", "condition is not an async function"),
        ("async def condition(state): yield 1\nasync def action(ftl): pass", "condition is not an async function"),
        ("async def condition(): pass\nasync def action(ftl): pass", "condition does not take one argument"),
        ("condition = 3\nasync def action(ftl): pass", "condition is not an async function"),
        ("", "it has no function condition"),
        ("x = 1\ny = nonsense", "NameError: name 'nonsense' is not defined (line 3)"),
        ("def (", "SyntaxError: invalid syntax (line 2)"),
        ("raise SystemExit", "SystemExit"),
        ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("\0", "SyntaxError"),
    ],
)
def test_an_invalid_rule_file_is_reported_as_broken(tmp_path: Path, source: str, error: str) -> None:
    (tmp_path / "bad.py").write_text(f"applies_to = 'everything'\n{source}")
    write_rule(tmp_path, "good")
    found = load(tmp_path)
    assert [rule.name for rule in found.rules] == ["good"]
    assert found.broken["bad"].startswith(error)
    assert list(notes(tmp_path)["broken"]) == ["bad"]


@pytest.mark.parametrize(
    ("observe", "part"),
    [
        ("{}", "Expected `array`"),
        ('[{"module": "x"}]', "name"),
        ('[{"name": "a", "module": "b", "hots": "c"}]', "hots"),
    ],
)
def test_an_invalid_observe_breaks_the_rule(tmp_path: Path, observe: str, part: str) -> None:
    write_rule(tmp_path, "bad", head=f"observe = {observe}")
    assert part in load(tmp_path).broken["bad"]


def test_a_broken_file_is_not_run_again_until_it_changes(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    runs = f"with open({str(witness)!r}, 'a') as f: f.write('x')\nraise ValueError('bad')\n"
    (tmp_path / "one.py").write_text(f"applies_to = 'everything'\n{runs}")
    assert load(tmp_path).broken == {"one": "ValueError: bad (line 3)"}
    assert load(tmp_path).broken == {"one": "ValueError: bad (line 3)"}
    assert witness.read_text() == "x"
    write_rule(tmp_path, "one")
    assert [rule.name for rule in load(tmp_path).rules] == ["one"]
    assert notes(tmp_path)["broken"] == {}


def test_an_import_that_failed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, library = tmp_path / "rules", tmp_path / "library"
    write_rule(rules, "one", head="import come_later_for_rules")
    assert "one" in load(rules).broken
    library.mkdir()
    (library / "come_later_for_rules.py").write_text("")
    monkeypatch.syspath_prepend(library)
    assert not load(rules).broken


def test_a_disabled_rule_is_not_even_imported(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    write_rule(tmp_path, "off", head=f"with open({str(witness)!r}, 'a') as f: f.write('x')")
    text = '{"disabled": ["off"], "broken": {"off": "kept"}, "comment": "ours"}'
    (tmp_path / "rules.json").write_text(text)
    found = load(tmp_path)
    assert found.rules == ()
    assert found.disabled == ("off",)
    assert not witness.exists()
    # Nothing changed, so nothing was written.
    assert (tmp_path / "rules.json").read_text() == text


def test_rules_of_other_loops_are_not_executed(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    write_rule(tmp_path, "here", applies_to={"loops": ["w*"]})
    write_rule(tmp_path, "there", applies_to={"loops": ["other"]}, head=f"open({str(witness)!r}, 'w')")
    noted = json.dumps({"disabled": [], "broken": {"there": {"error": "ValueError: kept", "digest": "x"}}})
    (tmp_path / "rules.json").write_text(noted)
    found = load(tmp_path)
    assert [rule.name for rule in found.rules] == ["here"]
    assert found.broken == {}
    assert not witness.exists()
    assert (tmp_path / "rules.json").read_text() == noted


def test_a_file_that_does_not_state_what_it_applies_to_is_broken_and_not_executed(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    (tmp_path / "global.py").write_text(
        f"open({str(witness)!r}, 'w')\nasync def condition(state): ...\nasync def action(ftl): ...\n"
    )
    found = load(tmp_path)
    assert found.rules == ()
    assert found.broken["global"].startswith('it does not state what it applies to; add applies_to = "everything"')
    assert not witness.exists()


def test_a_broken_rule_of_another_loop_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "there.py").write_text("applies_to = {'loops': 'other'}\ndef condition(state): ...\n")
    assert load(tmp_path).broken == {}


def test_unknown_keys_of_rules_json_are_kept(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('{"disabled": ["off"], "broken": {"gone": "x"}, "comment": "ours"}')
    (tmp_path / "rules.json").chmod(0o600)
    load(tmp_path)
    assert notes(tmp_path) == {"disabled": ["off"], "broken": {}, "comment": "ours"}
    assert (tmp_path / "rules.json").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["rules.json"]


@pytest.mark.parametrize("text", ["{", '{"disabled": "one"}', "[]", '{"broken": {"a": 3}}'])
def test_a_damaged_rules_json_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    write_rule(tmp_path, "one")
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(Problem, match=r"cannot read .*rules\.json"):
        load(tmp_path)
    assert (tmp_path / "rules.json").read_text() == text


def test_rules_load_from_a_read_only_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rule(tmp_path, "good")
    (tmp_path / "bad.py").write_text("applies_to = 'everything'\nraise ValueError")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Read-only file system")

    # A test that runs as root can write everywhere, so that the refusal is played.
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    found = load(tmp_path)
    assert [rule.name for rule in found.rules] == ["good"]
    assert "bad" in found.broken
    assert not (tmp_path / "rules.json").exists()


def test_rules_load_from_several_directories(tmp_path: Path) -> None:
    assert load(None).rules == ()
    assert load(tmp_path / "none", required=False).rules == ()
    with pytest.raises(Problem, match="cannot find the rules directory"):
        load(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="cannot read the rules directory"):
        load(tmp_path / "file")
