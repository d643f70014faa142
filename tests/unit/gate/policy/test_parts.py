"""A rule that asks about one part of a call: the rules after it decide about the other parts."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.gate.effects import Origin
from ftl2_enterprise.gate.policy.types import RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling
from tests.unit.gate.policy.test_decisions import judge, policy

ASK_ABOUT_APP = ("ask", {"param.path": "/app/*"})


@pytest.mark.parametrize(
    ("match", "module", "params"),
    [
        ({"param.path": "/etc/*"}, "shell", {"cmd": "cp /app/x /etc/shadow"}),
        ({"param.path": "/etc/*"}, "shell", {"cmd": "cp /app/x /srv/x; cd /etc; rm shadow"}),
        ({"param.dest": "/etc/*"}, "shell", {"cmd": "cp /app/x /etc/shadow"}),
        ({"param.cmd": "rm *"}, "shell", {"cmd": "cp /app/x /srv/y; rm y"}),
        ({"param.path": "/etc/*"}, "shell", {"cmd": "touch /app/x", "stdin": "/etc/shadow"}),
        ({"param.path": "/etc/*"}, "own.collection.module", {"first": "/app/x", "second": "/etc/x"}),
        ({"param.path": "/app.old"}, "shell", {"cmd": "rm -r /app/x /app.old"}),
    ],
)
def test_a_later_rule_denies_what_an_earlier_one_does_not_ask_about(
    match: dict[str, str], module: str, params: dict[str, Any]
) -> None:
    assert judge([policy(ASK_ABOUT_APP)], module, **params).ruling is Ruling.ASK
    assert judge([policy(ASK_ABOUT_APP, ("deny", match))], module, **params).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("copy", {"dest": "/app/app.conf", "content": "x"}),
        ("copy", {"dest": "/app/app.conf", "src": "app.conf"}),
        ("shell", {"cmd": "touch /app/x && cat /app/y"}),
        ("file", {"path": "/app/x", "state": "absent"}),
    ],
)
def test_it_decides_alone_about_a_call_of_which_it_is_about_everything(module: str, params: dict[str, Any]) -> None:
    after = ("deny", {"param.path": "/*"})
    assert judge([policy(ASK_ABOUT_APP, after)], module, **params).ruling is Ruling.ASK


@pytest.mark.parametrize(
    ("asked", "denied", "module", "params"),
    [
        ({"param.name": "nginx"}, {"param.name": "*"}, "apt", {"name": ["nginx", "telnetd"]}),
        ({"param.name": "nginx"}, {"param.package": "telnetd"}, "apt", {"name": "nginx,telnetd"}),
        ({"param.cmd": "systemctl *"}, {"param.cmd": "rm *"}, "shell", {"cmd": "systemctl stop x; rm -r /srv"}),
        ({"param.cmd": "systemctl *"}, {"param.cmd": "rm *"}, "command", {"argv": ["sh", "-c", "systemctl x; rm y"]}),
        ({"param.groups": "dba"}, {"param.groups": "sudo"}, "user", {"name": "bob", "groups": ["dba", "sudo"]}),
    ],
)
def test_lists_and_command_lines_have_parts(
    asked: dict[str, str], denied: dict[str, str], module: str, params: dict[str, Any]
) -> None:
    assert judge([policy(("ask", asked))], module, **params).ruling is Ruling.ASK
    assert judge([policy(("ask", asked), ("deny", denied))], module, **params).ruling is Ruling.DENY


def test_everyone_has_to_agree_who_is_asked_about_a_part() -> None:
    rules = policy(ASK_ABOUT_APP, ("ask", {"param.path": "/db/*"}), ("ask", {"param.path": "/other/*"}))
    found = judge([rules], "shell", cmd="cp /app/x /db/y")
    assert found.ruling is Ruling.ASK
    assert "rule 1" in found.reason
    assert "rule 2" in found.reason
    assert "rule 3" not in found.reason


def test_the_default_of_the_origin_counts_for_the_rest() -> None:
    site, defaults = policy(ASK_ABOUT_APP, is_site=True), {Origin.MODEL: RuleDecision.DENY}
    assert judge([site], "copy", dest="/app/x", content="", defaults=defaults).ruling is Ruling.ASK
    assert judge([site], "shell", cmd="cp /app/x /srv/y", defaults=defaults).ruling is Ruling.DENY


def test_a_rule_about_the_call_as_a_whole_decides_alone() -> None:
    rules = policy(("ask", {"module": "shell"}), ("deny", {"param.path": "/etc/*"}))
    assert judge([rules], "shell", cmd="rm /etc/x /srv/y").ruling is Ruling.ASK


def test_what_cannot_be_read_is_denied_by_every_later_rule() -> None:
    rules = policy(ASK_ABOUT_APP, ("deny", {"param.path": "/etc/*"}))
    many = "touch " + " ".join(f"/app/{n}" for n in range(3000))
    assert judge([rules], "shell", cmd=many).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("rules", "module", "params"),
    [
        ([{"param.path": "/home/*"}, {"param.path": "/etc/*"}], "user", {"name": "bob", "home": "/home/bob"}),
        ([{"param.path": "/app"}, {"param.path": "/app/secret"}], "copy", {"dest": "/app", "src": "secret"}),
        ([{"param.path": "/app"}, {"param.path": "/app/secret"}], "shell", {"cmd": "rm -r /app"}),
        (
            [{"param.path": "/app/*"}, {"param.path": "/etc/shadow"}],
            "file",
            {"path": "/app/x", "src": "/etc/shadow", "state": "link"},
        ),
        ([{"param.cmd": "ls *"}, {"param.cmd": "cd /etc *"}], "shell", {"cmd": "ls x", "chdir": "/etc"}),
        (
            [{"param.cmd": "rm *", "param.path": "/app/*"}, {"param.cmd": "rm *", "param.path": "/etc/*"}],
            "shell",
            {"cmd": "rm /app/x /etc/y; id"},
        ),
        ([{"param.path": "/app/*"}, {"param.chdir": "/app/*"}], "shell", {"cmd": "cp x /etc/y", "chdir": "/app/z"}),
    ],
)
def test_what_a_call_does_in_addition_is_a_part(
    rules: list[dict[str, str]], module: str, params: dict[str, Any]
) -> None:
    asks, denies = rules
    assert judge([policy(("ask", asks))], module, **params).ruling is Ruling.ASK
    assert judge([policy(("ask", asks), ("deny", denies))], module, **params).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("match", "module", "params"),
    [
        ({"param.cmd": "systemctl *"}, "shell", {"cmd": "/bin/systemctl restart x"}),
        ({"param.cmd": "systemctl *"}, "shell", {"cmd": "sudo systemctl restart x && systemctl status x"}),
        ({"param.cmd": "systemctl *"}, "command", {"argv": ["systemctl", "restart", "x"]}),
        ({"param.name": "nginx"}, "apt", {"name": ["nginx:amd64", "nginx=1.2"]}),
        ({"param.name": "nginx"}, "apt", {"name": "nginx/stable"}),
        ({"param.path": "/app/x.conf"}, "copy", {"dest": "/app/x.conf", "src": "x.conf"}),
        ({"param.path": "/app/x"}, "shell", {"cmd": "touch /app/./x"}),
    ],
)
def test_an_exception_holds_in_every_spelling(match: dict[str, str], module: str, params: dict[str, Any]) -> None:
    for denied in ({"module": "*"}, {next(iter(match)): "*"}):
        assert judge([policy(("ask", match), ("deny", denied))], module, **params).ruling is Ruling.ASK


def test_many_rules_that_ask_take_no_long_time() -> None:
    asks = [("ask", {"param.cmd": f"rm * /app/{n}*", "param.path": f"/app/{n}*"}) for n in range(60)]
    command = "; ".join(f"rm x /app/{n}" for n in range(60))
    found = judge([policy(*asks, ("deny", {"param.path": "/app/59"}))], "shell", cmd=command)
    assert found.ruling is Ruling.DENY
