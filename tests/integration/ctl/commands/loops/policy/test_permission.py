"""A user who may not ask about policy gets another exit status than that of a denial by policy."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy


@pytest.mark.parametrize("words", [("check", "shell"), ("test", "tests.yaml"), ("show",)])
def test_a_user_without_access(service, ctl, tmp_path, monkeypatch, words):
    def refuse(request):
        raise Problem(Code.DENIED, "cannot ask about policy: it needs access to operate")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests.yaml").write_text("tests: [{module: shell, expect: deny}]\n")
    for verb in (CheckPolicy, ShowPolicy):
        service.on(verb, refuse)
    status, out, err = ctl("policy", *words)
    assert (status, out) == (77, "")
    assert "cannot ask about policy" in err
