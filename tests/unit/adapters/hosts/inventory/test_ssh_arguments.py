"""Arguments for ssh in an inventory: what they request, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.adapters.hosts.inventory.ssh_arguments import Jump, SshArguments, arguments_of, jumps_of
from ftl2_enterprise.core.problem import Code, Problem

COMMON = "ansible_ssh_common_args"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", SshArguments()),
        ("-J bastion", SshArguments(jumps=(Jump("bastion"),))),
        ("-Jops@bastion:2222,[::1]:23", SshArguments(jumps=(Jump("bastion", "ops", 2222), Jump("::1", None, 23)))),
        ("-o ProxyJump=ops@10.0.0.1", SshArguments(jumps=(Jump("10.0.0.1", "ops"),))),
        ("-oProxyJump=ssh://ops@b:22", SshArguments(jumps=(Jump("b", "ops", 22),))),
        ("-o 'ProxyJump bastion'", SshArguments(jumps=(Jump("bastion"),))),
        ("-o proxyjump=none", SshArguments(jumps=())),
        ("-i ~/.ssh/web -p 2222 -l admin", SshArguments(key="~/.ssh/web", port=2222, user="admin")),
        ("-o IdentityFile='/a b' -o Port=1 -o User=x", SshArguments(key="/a b", port=1, user="x")),
        ("-o 'UserKnownHostsFile=/a /b'", SshArguments(known_hosts=("/a", "/b"))),
        ("-o UserKnownHostsFile=none", SshArguments(known_hosts=())),
        ("-o StrictHostKeyChecking=yes -o StrictHostKeyChecking=yes", SshArguments()),
        ("-p 22 -o Port=22", SshArguments(port=22)),
    ],
)
def test_arguments_request_a_way_to_the_host(text: str, expected: SshArguments) -> None:
    assert arguments_of("web", {COMMON: text}) == expected


def test_the_variables_are_read_together() -> None:
    variables = {"ansible_ssh_args": "-p 22", COMMON: "-J a", "ansible_ssh_extra_args": "-i /k", "other": "-X"}
    assert arguments_of("web", variables) == SshArguments(jumps=(Jump("a"),), port=22, key="/k")


@pytest.mark.parametrize(
    ("variables", "why", "hint"),
    [
        ({COMMON: "-o StrictHostKeyChecking=no"}, "StrictHostKeyChecking=no, with which any machine", "hosts trust"),
        ({COMMON: "-o StrictHostKeyChecking=accept-new"}, "StrictHostKeyChecking=accept-new", "hosts trust"),
        ({COMMON: "-o ProxyCommand='ssh -W %h:%p -q u@gw'"}, "ProxyCommand, which executes a pr", "write -J u@gw"),
        ({COMMON: '-o ProxyCommand="ssh gw nc %h %p"'}, "ProxyCommand, which executes", "write -J HOST"),
        ({COMMON: "-o ProxyCommand=none"}, "ProxyCommand, which executes", "write -J HOST"),
        ({COMMON: "-o ControlMaster=auto"}, "has -o 'ControlMaster=auto', which the service does", "supported are"),
        ({COMMON: "-C"}, "has '-C', which the service does not support", "supported are"),
        ({COMMON: "-F /etc/c"}, "has '-F', which the service does not support", "supported are"),
        ({COMMON: "bastion"}, "has 'bastion', which the service does not support", "supported are"),
        ({COMMON: "-J"}, "has -J without a value", "supported are"),
        ({COMMON: "-J 'a b'"}, "has ProxyJump 'a b', in which 'a b' is not a host", "write [USER@]HOST"),
        ({COMMON: "-J a,,b"}, "in which '' is not a host", "write [USER@]HOST"),
        ({COMMON: "-J=-oProxyCommand"}, "is not a host", "write [USER@]HOST"),
        ({COMMON: "-J -oProxyCommand=x@a"}, "is not a host", "write [USER@]HOST"),
        ({COMMON: "-J a:70000"}, "'a:70000' is not a host", "write [USER@]HOST"),
        ({COMMON: "-p 0"}, "has the port '0'", "between 1 and 65535"),
        ({COMMON: "-p x"}, "has the port 'x'", "between 1 and 65535"),
        ({COMMON: "-p 22 -p 23"}, "has a second Port, 23", "keep one"),
        ({COMMON: "-J a", "ansible_ssh_extra_args": "-J b"}, "its ansible_ssh_extra_args has a second", "keep one"),
        ({COMMON: "-i key"}, "has IdentityFile 'key', which is not a path", "write the whole path"),
        ({COMMON: "-o UserKnownHostsFile=~/%h"}, "UserKnownHostsFile '~/%h'", "write the whole path"),
        ({COMMON: "-J 'a"}, "cannot be read: no closing quotation", "close the quotes"),
        ({COMMON: "-J {{ gw }}"}, "is a template, and inventories are not rendered", "write the value itself"),
        ({"ansible_ssh_executable": "/bin/x"}, "its ansible_ssh_executable '/bin/x' is a program", "remove"),
        ({COMMON: "-p 22", "ansible_port": 23}, "have the port 22, and its ansible_port is 23", "keep one"),
        ({COMMON: "-l a", "ansible_user": "b"}, "have the user a, and its ansible_user is b", "keep one"),
        ({COMMON: "-i /a", "ansible_ssh_private_key_file": "/b"}, "have the key /a, and its ansible_ss", "keep one"),
    ],
)
def test_other_arguments_are_refused_when_the_inventory_is_read(
    variables: dict[str, Any], why: str, hint: str
) -> None:
    inventory = Inventory()
    inventory.host("web").update(variables)
    with pytest.raises(Problem) as refused:
        inventory.settle()
    assert refused.value.code is Code.INVALID
    assert refused.value.message.startswith("cannot use the host web: its a")
    assert why in refused.value.message
    assert hint in (refused.value.hint or "")


def test_the_port_and_the_user_are_those_of_the_arguments() -> None:
    inventory = Inventory()
    inventory.host("web")[COMMON] = "-p 2222 -l admin"
    inventory.host("same").update({COMMON: "-p 2222", "ansible_port": "2222"})
    inventory.settle()
    web, same = inventory.entry("web"), inventory.entry("same")
    assert web is not None
    assert same is not None
    assert (web.ansible_port, web.ansible_user, same.ansible_port) == (2222, "admin", 2222)


def test_arguments_of_this_machine_are_not_used() -> None:
    inventory = Inventory()
    inventory.group("all").vars[COMMON] = "-o ControlMaster=auto"
    inventory.host("here")["ansible_connection"] = "local"
    inventory.settle()
    assert inventory.entry("here") is not None


def test_a_jump_has_the_form_of_ssh() -> None:
    for text in ("bastion", "ops@bastion:22", "[::1]:22", "u@[fe80::1%eth0]"):
        (jump,) = jumps_of(text)
        assert jump.text == text
