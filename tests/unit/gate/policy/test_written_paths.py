"""Rules about paths that a module writes although no parameter is such a path."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, judge, paths_to_resolve, with_paths
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling
from tests.support.places import HOME_OF_ROOT


def effect(module: str, params: dict[str, Any]) -> Effect:
    return Effect(
        kind=EffectKind.ACTION, origin=Origin.MODEL, subject="test:1", module=canonical(module), params=params
    )


def denying(path: str) -> GateContext:
    rule = PolicyRule(number=1, match={"param.path": path}, reason="", source="")
    return GateContext(policies=[Policy(rules=(rule,))])


def denies(path: str, module: str, params: dict[str, Any], **resolved: list[str]) -> bool:
    subject = with_paths(effect(module, params), resolved)
    return judge(subject, denying(path)).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("path", "module", "params"),
    [
        ("/home/bob/.ssh/*", "authorized_key", {"user": "bob", "key": "k"}),
        ("/home/*/.ssh/authorized_keys", "authorized_key", {"user": "bob", "key": "k"}),
        (f"{HOME_OF_ROOT}/.ssh/*", "authorized_key", {"user": "root", "key": "k"}),
        ("/home/bob/.ssh/id_rsa", "user", {"name": "bob", "generate_ssh_key": True}),
        ("/home/bob/*", "user", {"name": "bob", "state": "absent", "remove": True}),
        ("/home/bob/.ssh/config", "ssh_config", {"user": "bob", "host": "x"}),
        ("/etc/ssh/*", "ssh_config", {"host": "x"}),
        ("*/.ssh/known_hosts", "known_hosts", {"name": "x"}),
        ("/var/spool/cron/*", "cron", {"name": "x", "job": "id"}),
        ("/var/spool/cron/crontabs/root", "cron", {"name": "x", "job": "id"}),
        ("/var/spool/cron/crontabs/root", "cron", {"name": "x", "job": "id", "user": "root"}),
        ("/var/spool/cron/*", "cron", {"name": "x", "job": "id", "user": "root", "cron_file": ""}),
        ("/etc/cron.d/*", "cron", {"name": "x", "job": "id", "cron_file": 0}),
        ("/var/spool/*", "cronvar", {"name": "x"}),
        ("/etc/apt/*", "apt_repository", {"repo": "deb x"}),
        ("/etc/apt/sources.list.d/x.list", "apt_repository", {"repo": "deb x"}),
        ("/etc/apt/sources.list.d/x.list", "apt_repository", {"repo": "deb x", "filename": "x"}),
        ("/etc/apt/sources.list.d/docker-ce.sources", "deb822_repository", {"name": "Docker CE"}),
        ("/etc/apt/trusted.gpg", "apt_key", {"url": "http://x"}),
        ("/etc/passwd", "user", {"name": "bob"}),
        ("/etc/*", "user", {"name": "bob"}),
        ("/etc/shadow", "user", {"name": "bob"}),
        ("/etc/group", "group", {"name": "bob"}),
        ("/etc/hostname", "hostname", {"name": "x"}),
        ("/etc/hosts", "hostname", {"name": "x"}),
        ("/etc/fstab", "mount", {"path": "/srv", "state": "present"}),
        ("/etc/sysctl.conf", "sysctl", {"name": "a", "value": 1}),
        ("/etc/sudoers.d/*", "sudoers", {"name": "x", "commands": "ALL"}),
        ("/srv/app/venv/*", "pip", {"name": "x", "chdir": "/srv/app", "virtualenv": "venv"}),
        ("/srv/app/x", "acl", {"path": "/srv/app", "recursive": True}),
        ("/etc/ssh/*", "tempfile", {"prefix": "/etc/ssh/made"}),
        ("/etc/ssh/*", "yum_repository", {"name": "x", "file": "/etc/ssh/made"}),
        ("/srv/0", "copy", {"dest": "/srv/", "src": 0}),
        ("/srv/0", "file", {"path": "/tmp/x", "state": "link", "src": "/srv/0"}),
    ],
)
def test_a_default_path_is_denied(path: str, module: str, params: dict[str, Any]) -> None:
    assert denies(path, module, params)


@pytest.mark.parametrize(
    ("path", "module", "params"),
    [
        ("/home/bob/.ssh/*", "authorized_key", {"user": "alice", "key": "k"}),
        ("/home/bob/.ssh/*", "authorized_key", {"user": "bob", "key": "k", "path": "/srv/keys"}),
        ("/home/bob/.ssh/*", "user", {"name": "bob", "generate_ssh_key": False}),
        ("/var/spool/cron/*", "cron", {"name": "x", "job": "id", "cron_file": "x"}),
        ("/var/spool/cron/crontabs/root", "cron", {"name": "x", "job": "id", "user": "bob"}),
        ("/etc/ssh/*", "apt_repository", {"repo": "deb x"}),
        ("/etc/apt/sources.list.d/y.list", "apt_repository", {"repo": "deb x", "filename": "x"}),
        ("*.key", "cron", {"name": "x", "job": "id"}),
        ("/etc/ssh/*", "user", {"name": "bob"}),
        ("/etc/fstab", "mount", {"path": "/srv", "fstab": "/srv/fstab"}),
        ("/etc/sysctl.conf", "sysctl", {"name": "a", "value": 1, "sysctl_file": "/etc/sysctl.d/x"}),
        ("/srv/app/x", "acl", {"path": "/srv/app"}),
    ],
)
def test_what_is_not_written_is_not_denied(path: str, module: str, params: dict[str, Any]) -> None:
    assert not denies(path, module, params)


def test_a_home_is_the_one_that_the_host_finds() -> None:
    key = {"user": "bob", "key": "k"}
    subject = effect("authorized_key", key)
    home = "~bob/.ssh/authorized_keys"
    assert home in paths_to_resolve(subject, denying("/srv/bob/*"))
    assert not denies("/srv/bob/*", "authorized_key", key)
    assert denies("/srv/bob/*", "authorized_key", key, **{home: ["/srv/bob/.ssh/authorized_keys"]})
    assert denies("/srv/*", "cron", {"name": "x"}, **{"/var/spool/cron": ["/srv/cron/"]})


@pytest.mark.parametrize(
    ("path", "module", "params"),
    [
        ("/home/*", "user", {"name": "bob", "home": "/home/bob"}),
        ("/srv/*", "mount", {"path": "/srv/x"}),
        ("/etc/sudoers.d/*", "sudoers", {"name": "x", "commands": "ALL"}),
    ],
)
def test_a_rule_that_allows_is_about_the_paths_that_a_call_names(
    path: str, module: str, params: dict[str, Any]
) -> None:
    named = {"module": module, "param.path": path, **{f"param.{name}": "*" for name in params}}
    first = PolicyRule(number=1, match=named, reason="", source="", decision=RuleDecision.ALLOW)
    last = PolicyRule(number=2, match={"module": "*"}, reason="", source="")
    assert judge(effect(module, params), GateContext(policies=[Policy(rules=(first, last))])).ruling is Ruling.ALLOW
