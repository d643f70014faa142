"""Scenarios of rules, hosts and resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.host_keys import HostKey
from ftl2_enterprise.protocol.loops.hosts import (
    Host,
    HostKeys,
    HostState,
    KeyLine,
    RecordedKey,
    Resource,
    TrustResult,
)
from ftl2_enterprise.protocol.loops.replies import (
    HostLine,
    ResourceLine,
    RuleDetail,
    RuleInfo,
)
from ftl2_enterprise.protocol.loops.rules import RuleBinding, RuleFiring
from ftl2_enterprise.protocol.loops.verbs import (
    ListHosts,
    ListResources,
    ListRules,
)
from ftl2_enterprise.render.loops import (
    host_keys,
    inventory,
    rules,
)
from tests.snapshots.scenario import NOW, Scenario, fixed
from tests.support.data import awkward
from tests.support.data.builders import ago
from tests.support.data.host_keys import ecdsa, ed25519, rsa

if TYPE_CHECKING:
    from ftl2_enterprise.render.text import Line

FOLDER = "/etc/ftl2-enterprise/rules"
RULES = [
    RuleInfo(
        "restart_nginx", "Restart nginx when it fails.", f"{FOLDER}/restart_nginx.py", "ab",
        enabled=True, fired=3, last_fired_at=ago(600),
        applies_to=RuleBinding(loops=["website", "shop-*"], labels={"tier": ["web", "edge"]}, hosts=["web"]),
    ),
    RuleInfo(
        "truncate_log", "Truncate logs above 1 GB.", f"{FOLDER}/truncate_log.py", "cd",
        enabled=False, disabled_by="ada (uid 7)", applies_to=RuleBinding(),
    ),
    RuleInfo("broken", "", f"{FOLDER}/broken.py", "ef", enabled=True, error="line 3: invalid syntax"),
    RuleInfo(awkward.LONG, awkward.CONTROL, f"{FOLDER}/{awkward.WIDE}.py", "01", enabled=True,
             applies_to=RuleBinding(hosts=[awkward.LONG, awkward.CONTROL])),
]  # fmt: skip
FIRED = RuleDetail(
    RULES[0], "",
    observe=[ObservationSpec(name="nginx", module="unit", host="web"), ObservationSpec(name="disk", module="shell")],
    firings=[
        RuleFiring("website", 12, None, None, ago(5)),
        RuleFiring(awkward.LONG, 7, False, awkward.CONTROL, ago(600)),
        RuleFiring("shop-1", 3, True, "ok", ago(7200)),
    ],
)  # fmt: skip


def one(detail: RuleDetail) -> list[Line]:
    return rules.rule_lines(fixed(detail), NOW)


RULES_VIEW = [
    Scenario("every state", rules.rules_view, {ListRules: RULES}, has_colour=True, has_json=True),
    Scenario("none", rules.rules_view, {ListRules: []}),
    Scenario("none of a loop", lambda reader: rules.rules_view(reader, loop="web"), {ListRules: []}),
    *(Scenario(f"one: {rule.name[:20]}", lambda _, rule=rule: one(RuleDetail(rule, "", []))) for rule in RULES),
    Scenario("one with its history", lambda _: one(FIRED), has_colour=True),
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
KNOWN = HostKeys(
    host="web1",
    port=2222,
    file="/var/lib/ftl2-enterprise/.ssh/known_hosts",
    keys=[
        RecordedKey(type=ecdsa(1).type, fingerprint=ecdsa(1).fingerprint, line=3),
        RecordedKey(type=rsa(1).type, fingerprint=rsa(1).fingerprint, line=4),
    ],
)
UNKNOWN = msgspec.structs.replace(KNOWN, port=22, keys=[])


def key_line(key: HostKey) -> KeyLine:
    return KeyLine(type=key.type, fingerprint=key.fingerprint)


HOST_KEYS = [
    Scenario("an unknown host", lambda r: host_keys.presented_lines(UNKNOWN, [ed25519(1), rsa(1)])),
    Scenario(
        "another key, a known one, and one that is not presented",
        lambda r: host_keys.presented_lines(KNOWN, [ed25519(1), ecdsa(2)]),
        has_colour=True,
    ),
    Scenario(
        "keys were recorded",
        lambda r: host_keys.result_lines(
            TrustResult(
                host="web1",
                port=2222,
                file=KNOWN.file,
                recorded=[key_line(ed25519(1))],
                unchanged=[key_line(rsa(1))],
                replaced=[key_line(ed25519(2))],
            )
        ),
    ),
    Scenario(
        "they were known",
        lambda r: host_keys.result_lines(
            TrustResult(host="web1", port=22, file=KNOWN.file, unchanged=[key_line(rsa(1))])
        ),
    ),
]
