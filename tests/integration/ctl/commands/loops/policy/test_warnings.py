"""`policy check`, `policy test` and `submit` show what `policy show` warns of, on standard error."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetSettings, ListFreezes
from tests.support.data import builders

DENIED = PolicyAnswer(host="a", ruling="deny", rule=None, source=None, reason="x", fence="none", problem=None)
IN_FORCE = PolicyInForce(rules=[], revision="", warnings=["site: the file 'a.YAML' is not read", "given rule 1: x"])
LINES = ["warning: site: the file 'a.YAML' is not read", "warning: given rule 1: x"]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests.yaml").write_text("tests: [{module: shell, expect: deny}]\n")
    (tmp_path / "p.yaml").write_text("rules: []\n")


@pytest.mark.parametrize(("words", "expected"), [(("check", "shell"), 4), (("test", "tests.yaml"), 0)])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_answer_is_on_standard_output(service, ctl, tmp_path, words, expected, more):
    service.on(CheckPolicy, [[DENIED]])
    service.on(ShowPolicy, IN_FORCE)
    status, out, err = ctl("policy", *words, "--policy", "p.yaml", *more)
    assert status == expected
    assert "warning" not in out
    assert err.splitlines() == LINES
    (asked,) = service.asked_for(ShowPolicy)
    assert asked.policy == str(tmp_path / "p.yaml")
    assert [one.path for one in asked.files] == [asked.policy]


def test_the_answer_does_not_depend_on_the_warnings(service, ctl):
    def fails(request):
        raise unavailable("cannot read it now")

    service.on(CheckPolicy, [[DENIED]])
    service.on(ShowPolicy, fails)
    assert ctl("policy", "check", "shell")[0] == 4


def test_submit_shows_those_about_the_rules_of_the_loop(service, ctl):
    service.on(GetSettings, [])
    service.on(ListFreezes, [])
    service.on(SubmitLoop, builders.loop())
    service.on(ShowPolicy, IN_FORCE)
    status, _, err = ctl("submit", "all is well", "--policy", "p.yaml")
    assert status == 0
    assert err.splitlines() == LINES[1:]
    ctl("submit", "all is well")
    assert len(service.asked_for(ShowPolicy)) == 1
