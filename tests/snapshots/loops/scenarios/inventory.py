"""Scenarios of rules, hosts and resources."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.protocol.loops.hosts import Host, HostState, Resource
from ftl2_enterprise.protocol.loops.replies import (
    HostLine,
    ResourceLine,
    RuleInfo,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListHosts,
    ListResources,
    ListRules,
)
from ftl2_enterprise.render.loops import (
    inventory,
    rules,
)
from tests.snapshots.scenario import NOW, Scenario, fixed
from tests.support.data import awkward
from tests.support.data.builders import ago

FOLDER = "/etc/ftl2-enterprise/rules"
RULES = [
    RuleInfo(
        "restart_nginx", "Restart nginx when it fails.", f"{FOLDER}/restart_nginx.py", "ab",
        enabled=True, fired=3, last_fired_at=ago(600),
    ),
    RuleInfo(
        "truncate_log", "Truncate logs above 1 GB.", f"{FOLDER}/truncate_log.py", "cd",
        enabled=False, disabled_by="ada (uid 7)",
    ),
    RuleInfo("broken", "", f"{FOLDER}/broken.py", "ef", enabled=True, error="line 3: invalid syntax"),
    RuleInfo(awkward.LONG, awkward.CONTROL, f"{FOLDER}/{awkward.WIDE}.py", "01", enabled=True),
]  # fmt: skip
RULES_VIEW = [
    Scenario("every state", rules.rules_view, {ListRules: RULES}, has_colour=True, has_json=True),
    Scenario("none", rules.rules_view, {ListRules: []}),
    *(Scenario(f"one: {rule.name[:20]}", lambda _, rule=rule: rules.rule_lines(fixed(rule), NOW)) for rule in RULES),
    Scenario("switched", lambda _: [rules.switched_line(rule) for rule in RULES[:2]]),
]


def host(name: str, **fields: Any) -> HostLine:
    given: dict[str, Any] = {
        "ansible_host": "192.0.2.7", "ansible_port": 2222, "ansible_user": "deploy", "groups": ["web", "eu"],
        "facts": {"distribution": "Debian 13", "memory_mb": 4096}, "state": HostState.KNOWN,
    }  # fmt: skip
    found = Host(id=1, loop_id=1, name=name, created_at=ago(7200), updated_at=ago(90), **(given | fields))
    return HostLine(host=found, loop="web")


def resource(name: str, data: dict[str, Any]) -> ResourceLine:
    return ResourceLine(
        resource=Resource(id=1, loop_id=1, name=name, data=data, created_at=ago(7200), updated_at=ago(90)), loop="web"
    )


HOSTS = [
    host("web1"),
    host("web2", ansible_host=None, groups=[], facts={}, state=HostState.REGISTERED),
    host(awkward.LONG, groups=[awkward.WIDE], facts={"motd": awkward.CONTROL, "empty": None}),
]
RESOURCES = [
    resource("vm-7", {"region": "eu", "address": "192.0.2.7", "created_at": ago(7200)}),
    resource(awkward.WIDE, {}),
]
HOSTS_VIEW = [
    Scenario("hosts", lambda r: inventory.hosts_view(r, loop=None), {ListHosts: HOSTS}, has_json=True),
    Scenario("none", lambda r: inventory.hosts_view(r, loop=None), {ListHosts: []}),
]
RESOURCES_VIEW = [
    Scenario(
        "resources", lambda r: inventory.resources_view(r, loop=None), {ListResources: RESOURCES}, has_json=True
    ),
    Scenario("none", lambda r: inventory.resources_view(r, loop=None), {ListResources: []}),
]
