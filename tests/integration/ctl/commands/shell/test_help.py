"""The help of commands."""

from __future__ import annotations

import json


def test_help_needs_no_service(ctl, monkeypatch, tmp_path):
    monkeypatch.setenv("FTL2CTL_SOCKET", str(tmp_path / "none"))
    assert ctl("help")[0] == 0
    assert "usage: ftl2ctl answer" in ctl("help", "answer")[1]
    assert ctl("answer", "--help")[1] == ctl("help", "answer")[1]
    assert "usage: ftl2ctl rules disable" in ctl("help", "rules")[1]
    every = json.loads(ctl("help", "--json")[1])["commands"]
    assert {"answer", "rules disable", "help"} <= {one["name"] for one in every}
    assert "exit" not in {one["name"] for one in every}
    (one,) = json.loads(ctl("help", "answer", "--json")[1])["commands"]
    assert one["usage"].startswith("answer [PROMPT]")
    assert one["summary"].startswith("Answer a prompt")
    assert [argument["name"] for argument in one["arguments"]] == ["prompt", "answer"]
    assert [flag["option"] for flag in one["flags"]] == ["--wait", "--json", "--socket", "--timeout", "--help"]
    assert one["flags"][0] | {"help": ""} == {
        "option": "--wait", "short": "-w", "value": None, "choices": [], "many": False, "default": None, "help": "",
    }  # fmt: skip
    family = [one["name"] for one in json.loads(ctl("help", "rules", "--json")[1])["commands"]]
    assert {"rules list", "rules disable"} <= set(family)
    assert ctl("help", "nonsense")[0] == 2
    assert ctl("completion", "bash")[1].startswith("# bash completion")
