"""The site policy is in force for every loop; what cannot be read denies everything; a reload replaces all of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.freeze import UNUSABLE_POLICY
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import ActionState, Loop, LoopState, Mode, Outcome
from ftl2_enterprise.protocol.loops.verbs import ListActions, ShowPolicy
from ftl2_enterprise.protocol.service.verbs import GetHealth, ListFreezes, Reload, ThawEffects
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = """\
version: 1
name: {name}
steps:
  - name: message
    copy: {{content: "hello\\n", dest: "{path}"}}
"""
DENY = "rules:\n- decision: deny\n  match: {param.path: '*/forbidden/*'}\n  reason: not there\n"
BROKEN = "rules:\n- decision: deny\n  match: {modul: copy}\n"
ENDED = (LoopState.COMPLETED, LoopState.FAILED)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "forbidden").mkdir()
    with daemon(tmp_path, more=f'[policy]\ndirectory = "{tmp_path}/policy.d"\n') as made:
        yield made


def run(service: Daemon, name: str, path: Path) -> Outcome | None:
    service.submit(name, FILE.format(name=name, path=path))
    return service.until_state(name, *ENDED).outcome


def test_the_site_policy_is_in_force_for_every_loop(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "policy.d" / "10-paths.yaml").write_text(DENY)
    service.start()
    assert run(service, "bad", tmp_path / "forbidden" / "x") is Outcome.DENIED
    action = service.call(ListActions(loop="bad")).actions[0]
    assert action.state is ActionState.DENIED
    expected = r"denied by site policy rule 1 \(10-paths\.yaml line 2, revision [0-9a-f]{12}\): not there"
    assert re.fullmatch(expected, action.error or "")
    assert not (tmp_path / "forbidden" / "x").exists()
    assert run(service, "good", tmp_path / "x") is Outcome.CONVERGED


def test_the_policy_in_force_is_shown_with_warnings_about_hosts_that_no_inventory_has(
    service: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "policy.d" / "10-hosts.yaml").write_text(
        "rules:\n- {decision: deny, match: {host: localhost, param.path: '*/forbidden/*'}}\n"
        "- {decision: deny, match: {host: web01, module: shell}}\n"
    )
    (tmp_path / "hosts.yaml").write_text("web: {hosts: {web1: {}}}\n")
    service.start()
    shown = service.call(ShowPolicy())
    assert [rule.match["host"] for rule in shown.rules] == ["localhost", "web01"]
    spec = FILE.format(name="good", path=tmp_path / "x")
    service.submit("good", spec, inventory=str(tmp_path / "hosts.yaml"), mode=Mode.CONTINUOUS)
    (warning,) = service.call(ShowPolicy()).warnings
    assert "web01" in warning


def test_files_that_are_not_read_are_warnings(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "policy.d" / "a.YAML").write_text(DENY)
    service.start()
    first = f"the file 'a.YAML' in {tmp_path}/policy.d is not read; the name of a policy file ends with .yaml or .yml"
    assert service.call(ShowPolicy()).warnings == [f"site: {first}"]
    health = service.call(GetHealth())
    assert (health.ok, health.warnings) == (True, [first])
    assert first in service.output.read_text()
    (tmp_path / "policy.d" / "more").mkdir()
    service.call(Reload())
    second = f"the directory 'more' in {tmp_path}/policy.d is not read; move its files one level up"
    assert service.call(GetHealth()).warnings == [first, second]
    assert second in service.output.read_text()
    assert run(service, "good", tmp_path / "x") is Outcome.CONVERGED


def test_a_policy_that_is_loaded_again_counts_for_what_runs(service: Daemon, tmp_path: Path) -> None:
    service.start()
    assert run(service, "before", tmp_path / "forbidden" / "a") is Outcome.CONVERGED
    (tmp_path / "policy.d" / "10-paths.yaml").write_text(DENY)
    assert run(service, "not-loaded", tmp_path / "forbidden" / "b") is Outcome.CONVERGED
    service.call(Reload())
    assert run(service, "after", tmp_path / "forbidden" / "c") is Outcome.DENIED
    assert not (tmp_path / "forbidden" / "c").exists()


def test_a_denial_does_not_end_a_continuous_loop(service: Daemon, tmp_path: Path) -> None:
    rules = tmp_path / "policy.d" / "10-paths.yaml"
    rules.write_text(DENY)
    service.start()
    denied, kept = tmp_path / "forbidden" / "x", tmp_path / "kept"
    other = f"  - name: other\n    copy: {{content: hello, dest: {kept}}}\n"
    steps = FILE.format(name="both", path=denied) + other
    service.submit("both", steps, mode=Mode.CONTINUOUS, interval=0.2)
    until(lambda: service.loop("both").failures > 0)
    assert kept.exists()
    # The other step is still kept as desired.
    kept.unlink()
    until(kept.exists)
    assert not denied.exists()
    rules.write_text("rules: []\n")
    service.call(Reload())
    until(denied.exists)
    until(lambda: service.loop("both").failures == 0)


def test_a_mistake_in_a_reload_leaves_the_previous_policy_in_force(service: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "policy.d" / "10-paths.yaml"
    file.write_text(DENY)
    service.start()
    file.write_text(BROKEN)
    with pytest.raises(Problem) as caught:
        service.call(Reload())
    assert f"cannot use the policy {file} line 3" in str(caught.value)
    health = service.call(GetHealth())
    assert not health.ok
    assert any(f"{file} line 3" in problem for problem in health.problems)
    # Also when only control starts again.
    service.gap()
    until(lambda: any("stays in force" in one for one in service.call(GetHealth()).problems))
    assert run(service, "bad", tmp_path / "forbidden" / "x") is Outcome.DENIED
    assert run(service, "good", tmp_path / "x") is Outcome.CONVERGED
    file.write_text(DENY)
    service.call(Reload())
    until(lambda: service.call(GetHealth()).ok)


def test_a_mistake_at_the_start_holds_everything_until_it_is_corrected(service: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "policy.d" / "10-paths.yaml"
    file.write_text(BROKEN)
    service.spawn()
    until(lambda: any("nothing has an effect" in one for one in _problems(service)))
    service.submit("good", FILE.format(name="good", path=tmp_path / "x"))
    loop = held(service, "good")
    assert (loop.outcome, loop.iteration_count) == (None, 0)
    assert f"frozen: nothing has an effect, because the site policy cannot be used: cannot use the policy {file}" in (
        loop.reason or ""
    )
    assert not (tmp_path / "x").exists()
    assert [one.freeze.reason for one in service.call(ListFreezes())] == _problems(service)
    with pytest.raises(Problem, match="cannot thaw: the site policy cannot be used"):
        service.call(ThawEffects(id=UNUSABLE_POLICY))
    file.unlink()
    assert service.call(Reload()).policy_changed
    # No person has to start it again.
    assert service.until_state("good", *ENDED).outcome is Outcome.CONVERGED
    assert (tmp_path / "x").read_text() == "hello\n"
    until(lambda: service.call(GetHealth()).ok)
    assert service.call(ListFreezes()) == []
    assert not service.call(Reload()).policy_changed


def held(service: Daemon, name: str) -> Loop:
    """The loop, which does nothing because something cannot be read."""
    until(lambda: service.loop(name).frozen_by is not None)
    return service.until_state(name, LoopState.RESTING)


def _problems(service: Daemon) -> list[str]:
    try:
        return list(service.call(GetHealth()).problems)
    except Problem:
        return []


def test_a_published_policy_that_is_missing_or_damaged_holds_everything(service: Daemon, tmp_path: Path) -> None:
    service.start()
    published = next(tmp_path.rglob("*.site-policy"))
    data = published.read_bytes()
    published.write_text("{")
    for name in ("damaged", "missing"):
        service.submit(name, FILE.format(name=name, path=tmp_path / "x"))
        held(service, name)
        (problem,) = _problems(service)
        assert problem.startswith("nothing has an effect, because the site policy cannot be used: cannot ")
        published.unlink(missing_ok=True)
    assert not (tmp_path / "x").exists()
    published.write_bytes(data)
    assert run(service, "good", tmp_path / "x") is Outcome.CONVERGED
