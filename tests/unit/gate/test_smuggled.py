"""Parameters by which a module would execute something else, or act on something else, than they name."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.gate.smuggled import smuggled

REFUSED: list[tuple[str, dict[str, Any]]] = [
    *(("dnf", {"name": name}) for name in ("x; touch /t", "x|y", "x&y", "x>y", "x\ny", "$(y)", "`y`", "a b", "-y")),
    ("dnf", {"name": ["x", "x$(touch /t)"]}),
    ("dnf", {"name": {"x": "y;z"}}),
    ("ansible.builtin.dnf", {"name": "x; touch /t"}),
    ("dnf5", {"name": "x; touch /t"}),
    ("yum", {"enablerepo": "a;touch /t"}),
    ("yum", {"installroot": "/x;touch /t"}),
    ("swap", {"path": "/x;touch /t"}),
    *(("git", {param: "--upload-pack=touch /t;"}) for param in ("refspec", "remote", "repo", "version")),
    ("unarchive", {"include": ["--checkpoint=1", "--checkpoint-action=exec=touch /t", "a.txt"]}),
    ("unarchive", {"exclude": "-x"}),
    ("pip", {"name": "--log=/t"}),
    ("pip", {"name": ["requests", "--log=/t"]}),
    ("pip", {"name": "requests --log=/t"}),
    ("pip", {"name": "requests,--log=/t"}),
    ("service", {"name": "../../tmp/evil", "state": "started"}),
    ("systemd", {"name": "x' 'nginx", "state": "stopped"}),
    ("systemd", {"unit": "x nginx"}),
    ("ansible.builtin.systemd_service", {"service": "--now"}),
    ("apt", {"name": "-oDir=/t"}),
    ("user", {"name": "--root=/t"}),
    ("unarchive", {"include": "a.txt,--checkpoint=1,--checkpoint-action=exec=touch /t"}),
    ("apt", {"name": "x,-oDir::Cache::pkgcache=/t"}),
    *(("apt", {"name": name}) for name in ("x' -o 'Dir::Bin::dpkg=/t", 'x"y', "x y", "x\\ y", ["a", "b -y"])),
    ("apt", {"default_release": "x' -o 'Dir::Bin::dpkg=/t"}),
    ("apt_key", {"keyserver": "x --keyring /t"}),
    *(
        ("git", {"key_file": f"/x{more}"})
        for more in (" -oProxyCommand=/t", "$(touch /t)", ";touch${IFS}/t", "&y", "`y`")
    ),
    *(("git", {param: "x --upload-pack=/t"}) for param in ("repo", "version", "remote")),
    ("git", {"archive_prefix": "--output=/t"}),
    ("dpkg_selections", {"name": "x hold\nnginx", "selection": "deinstall"}),
    ("debconf", {"value": "a\nnginx nginx/z string pwned", "name": "x"}),
    *(("iptables", {param: "--modprobe=/t"}) for param in ("rule_num", "wait", "chain")),
]
ALLOWED: list[tuple[str, dict[str, Any]]] = [
    (
        "dnf",
        {
            "name": ["nginx-1:1.20.1-14.el9", "@development", "libfoo.so.1", "python3.11-pip", "foo"],
            "state": "latest",
        },
    ),
    ("dnf", {"name": "nginx,curl", "enablerepo": "epel", "update_cache": True, "timeout": 30}),
    ("dnf", {"name": "https://repo.example/x_1.rpm"}),
    ("git", {"repo": "git@host.example:x.git", "dest": "/srv/x", "version": "v1.0-rc", "refspec": "+refs/pull/*:x"}),
    ("unarchive", {"src": "/tmp/a.tar", "dest": "/srv", "include": ["a-b.txt"], "extra_opts": ["--strip=1"]}),
    ("pip", {"name": ["requests>=2", "my-package==1.0", "x[extra-one]"], "extra_args": "--no-deps"}),
    ("systemd", {"name": "getty@tty1.service", "state": "started"}),
    ("service", {"name": "nginx"}),
    ("apt", {"name": ["nginx=1.0-1", "curl"]}),
    ("user", {"name": "web-1", "groups": "a,b"}),
    ("apt", {"name": "nginx>=1.0,lib-x:amd64", "deb": "https://repo.example/a.deb?x=1&y=2"}),
    ("apt", {"name": ["a*", "task^", "b/stable", "g++"], "default_release": "bookworm-backports"}),
    ("git", {"repo": "https://h.example/a%20b.git", "key_file": "~/.ssh/id_ed25519", "version": "feature/a-b"}),
    ("iptables", {"chain": "INPUT", "rule_num": "5", "comment": "- a; b", "source": "!10.0.0.0/8"}),
    ("debconf", {"name": "tzdata", "question": "tzdata/Areas", "value": "Europe, North", "vtype": "select"}),
    ("unarchive", {"src": "/tmp/a b.tar", "dest": "/srv/a - b", "include": "a-b.txt,c d"}),
    ("shell", {"cmd": "ls; rm -r x"}),
    ("copy", {"content": "- a; b", "dest": "/x"}),
    ("community.general.unknown", {"name": "-x; y"}),
]


@pytest.mark.parametrize(("module", "params"), REFUSED)
def test_such_a_call_is_refused_and_the_parameter_named(module: str, params: dict[str, Any]) -> None:
    why = smuggled(module, params)
    assert why is not None
    assert why.startswith(f"cannot use the parameter {next(iter(params))} of {module}: ")


@pytest.mark.parametrize(("module", "params"), ALLOWED)
def test_ordinary_parameters_are_used(module: str, params: dict[str, Any]) -> None:
    assert smuggled(module, params) is None
