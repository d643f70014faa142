"""A policy decides the same about every spelling of one effect: random policies, effects and spellings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings, strategies as st

from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, judge
from ftl2_enterprise.gate.modules import canonical, spellings
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

if TYPE_CHECKING:
    from collections.abc import Mapping

# --- values and their spellings ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Value:
    """One value of a parameter, and how a caller may write it."""

    kind: str
    text: str


def spelled_path(some: Random, path: str) -> str:
    """The path with repeated slashes, `.` and `..`."""
    parts = path.strip("/").split("/")
    text = some.choice(["/", "//", "/./", "///"])
    for n, part in enumerate(parts):
        detour = some.choice(["", "", "", "./", "x/../", "/", ".//"])
        text += detour + part + ("/" if n < len(parts) - 1 else "")
    return text


BOOLEANS: Mapping[str, tuple[Any, ...]] = {
    "true": (True, "yes", "on", "true", "True", "TRUE", "y", "1", 1, " yes "),
    "false": (False, "no", "off", "false", "False", "n", "0", 0),
}
MODES: Mapping[str, tuple[Any, ...]] = {
    "0777": (511, "0777", "777", "0o777", "u=rwx,g=rwx,o=rwx", "a=rwx", "ugo=rwx", "u=rwx,go=u"),
    "0644": (420, "0644", "644", "u=rw,g=r,o=r", "u=rw,go=r"),
    "4755": ("4755", "04755", "u=rwxs,g=rx,o=rx"),
}


def written(some: Random, value: Value) -> Any:
    """The value in one of its spellings."""
    match value.kind:
        case "path":
            return spelled_path(some, value.text)
        case "boolean":
            return some.choice(BOOLEANS[value.text])
        case "mode":
            return some.choice(MODES[value.text])
        case "owner":
            return some.choice(("root", "0", 0, "00")) if value.text == "root" else value.text
        case "service":
            return some.choice((value.text, f"{value.text}.service", f" {value.text} "))
        case "names":
            names = value.text.split(",")
            texts = [",".join(names), " , ".join(names), names]
            return some.choice(texts if len(names) > 1 else [names[0], f"{names[0]} ", names])
        case "number":
            return some.choice((value.text, int(value.text)))
        case _:
            return value.text


# --- effects and their spellings -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Intent:
    """What a caller wants: a module, its parameters by their first name, and a host."""

    module: str
    params: tuple[tuple[str, Value], ...]
    host: str
    origin: Origin


NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "copy": {},
    "file": {"path": ("path", "dest", "name")},
    "lineinfile": {"path": ("path", "dest", "destfile", "name"), "line": ("line", "value")},
    "apt": {"name": ("name", "pkg", "package"), "update_cache": ("update_cache", "update-cache")},
    "systemd": {"name": ("name", "service", "unit"), "daemon_reload": ("daemon_reload", "daemon-reload")},
    "command": {"cmd": ("cmd", "_raw_params", "free_form", "argv")},
    "shell": {"cmd": ("cmd", "_raw_params", "free_form")},
    "user": {"name": ("name", "user")},
}
PATHS = ("/etc/ssh/sshd_config", "/etc/ssh", "/etc/motd", "/srv/www/index.html", "/home/a/.ssh/authorized_keys")
COMMANDS = ("touch /etc/ssh/x", "systemctl restart nginx", "id", "rm -rf /srv/www")
HOSTS = ("prod-1", "prod-2", "staging-1", "localhost", "twin")


def intents(some: Random) -> Intent:
    module = some.choice(tuple(NAMES))
    path, boolean = Value("path", some.choice(PATHS)), Value("boolean", some.choice(("true", "false")))
    mode = Value("mode", some.choice(tuple(MODES)))
    owner = Value("owner", some.choice(("root", "www")))
    names = Value("names", some.choice(("nginx", "curl", "nginx,curl", "htop,nginx,curl")))
    service = Value("service", some.choice(("nginx", "ssh")))
    user = Value("owner", some.choice(("root", "deploy")))
    command = Value("command", some.choice(COMMANDS))
    state = Value("text", some.choice(("absent", "touch")))
    params: dict[str, Value] = {
        "copy": {"dest": path, "mode": mode, "owner": owner, "force": boolean, "content": Value("text", "x")},
        "file": {"path": path, "mode": mode, "owner": owner, "state": state},
        "lineinfile": {"path": path, "line": Value("text", "x"), "create": boolean, "validate": command},
        "apt": {"name": names, "update_cache": boolean, "cache_valid_time": Value("number", "3600")},
        "systemd": {"name": service, "state": Value("text", "restarted"), "daemon_reload": boolean},
        "command": {"cmd": command, "chdir": path},
        "shell": {"cmd": command},
        "user": {"name": user, "home": path, "system": boolean},
    }[module]  # fmt: skip
    required = next(iter(params))
    kept = [name for name in params if name == required or some.random() < 0.5]
    host = some.choice(HOSTS)
    return Intent(module, tuple((name, params[name]) for name in kept), host, some.choice(tuple(Origin)))


ADDRESSES = {
    "10.9.9.1": ("10.9.9.1", "0x0a090901", "012.011.011.01", "::ffff:10.9.9.1", "10.9.2305"),
    "10.9.9.2": ("10.9.9.2", "::ffff:10.9.9.2", "0x0a090902"),
    "10.9.9.3": ("10.9.9.3", "10.9.2307"),
}


def inventory(some: Random) -> Inventory:
    """One inventory, with its addresses and groups in some spelling and order."""
    found = Inventory()
    hosts = [("prod", "prod-1", "10.9.9.1"), ("prod", "prod-2", "10.9.9.2"), ("staging", "staging-1", "10.9.9.3"),
             ("old", "twin", "10.9.9.1")]  # fmt: skip
    for group, name, address in some.sample(hosts, len(hosts)):
        found.host(name)["ansible_host"] = some.choice(ADDRESSES[address])
        found.group(group).members[name] = None
    found.settle()
    return found


INVENTORIES = [inventory(Random(number)) for number in range(8)]


def spelled_module(some: Random, module: str) -> str:
    name = some.choice(spellings(module))
    return some.choice((name, name.upper(), f" {name}", f"{name}.", name.title()))


def effects(some: Random, intent: Intent) -> Effect:
    """One spelling of the intent."""
    params: list[tuple[str, Any]] = []
    for name, value in intent.params:
        written_name = some.choice(NAMES[intent.module].get(name, (name,)))
        given_value = written(some, value)
        if value.kind == "command" and written_name != "validate":
            # As a list only where the words are those that a shell would find.
            texts = (value.text, f" {value.text} ", f"{value.text}\n")
            given_value = value.text.split(" ") if written_name == "argv" else some.choice(texts)
        params.append((written_name, given_value))
    name = "local" if intent.host == "localhost" and some.random() < 0.5 else intent.host
    found = some.choice(INVENTORIES)
    return Effect(
        kind=EffectKind.ACTION,
        origin=intent.origin,
        subject="test:1",
        host=found.identity("localhost" if name == "local" else name),
        module=canonical(spelled_module(some, intent.module)),
        params=dict(some.sample(params, len(params))),
    )


# --- policies ------------------------------------------------------------------------------------------------------

PATTERNS: Mapping[str, tuple[str, ...]] = {
    "class": ("commands", "files", "packages", "services", "users", "*"),
    "host": ("prod", "prod-*", "prod-1", "staging", "localhost", "local", "10.9.9.1", "*", "old", "twin"),
    "origin": ("model", "rule", "m*", "*"),
    "environment": ("", "prod"),
    "param.path": ("/etc/ssh/*", "/etc/*", "/etc/ssh", "/etc//ssh/./*", "/srv/www/", "*", "/home/*/.ssh/*"),
    "param.dest": ("/etc/ssh/*", "/etc/motd", "/srv/*"),
    "param.destfile": ("/etc/x/../ssh/*",),
    "param.home": ("/home/*", "/etc/*"),
    "param.mode": ("0777", "777", "4755", "u=rw,go=r", "07*", "*7"),
    "param.owner": ("root", "0", "www"),
    "param.name": ("nginx", "curl", "ngin*", "ssh", "nginx.service", "root", "deploy", "*"),
    "param.package": ("nginx", "htop", "c*"),
    "param.pkg": ("nginx",),
    "param.service": ("ssh", "ssh.service", "nginx"),
    "param.unit": ("nginx",),
    "param.user": ("root", "deploy"),
    "param.cmd": ("touch *", "*nginx*", "id", "rm *", "*"),
    "param.argv": ("id", "touch *"),
    "param.free_form": ("id",),
    "param.validate": ("id", "*"),
    "param.force": ("true", "false", "yes", "no", "on"),
    "param.create": ("true", "off", "*"),
    "param.update_cache": ("true", "no"),
    "param.daemon-reload": ("true", "yes"),
    "param.system": ("True", "false"),
    "param.cache_valid_time": ("3600", "36*"),
    "param.state": ("absent", "restarted", "*"),
    "param.line": ("x",),
    "param.value": ("x",),
}  # fmt: skip
MODULES = tuple(dict.fromkeys(name for module in (*NAMES, "dnf", "cron") for name in spellings(module)))


def rules(some: Random, number: int) -> PolicyRule:
    keys = some.sample(("module", *PATTERNS), some.choice((1, 1, 2, 3)))
    match = {
        key: some.choice((*MODULES, "*", "*.copy", "ansible.builtin.*") if key == "module" else PATTERNS[key])
        for key in keys
    }
    return PolicyRule(
        number=number,
        match=match,
        reason="",
        source=f"line {number}",
        decision=some.choice(tuple(RuleDecision)),
        applies_to=frozenset({AppliesTo.ACTIONS}),
    )


def contexts(some: Random) -> GateContext:
    def policy(*, is_site: bool) -> Policy:
        size = some.randrange(6)
        return Policy(rules=tuple(rules(some, number) for number in range(1, size + 1)), is_site=is_site)

    default = some.choice(tuple(RuleDecision))
    return GateContext(
        policies=(policy(is_site=True), policy(is_site=False)), defaults=dict.fromkeys(map(str, Origin), default)
    )


type Answer = tuple[Ruling, int | None, tuple[Any, ...]]


def answer(effect: Effect, context: GateContext) -> Answer:
    verdict = judge(effect, context)
    return verdict.ruling, verdict.rule, verdict.needs


@settings(max_examples=3000, deadline=None)
@given(st.integers(0, 2**32))
def test_every_spelling_of_an_effect_has_the_same_verdict(number: int) -> None:
    some = Random(number)
    intent = intents(some)
    context = contexts(some)
    one, other = effects(some, intent), effects(some, intent)
    assert answer(one, context) == answer(other, context)
    # With its conditions in another order, a rule is the same rule.
    turned = [
        Policy(
            rules=tuple(
                PolicyRule(
                    number=rule.number, match=dict(reversed(list(rule.match.items()))), reason="", source=rule.source,
                    decision=rule.decision, applies_to=rule.applies_to,
                )
                for rule in policy.rules
            ),
            is_site=policy.is_site,
        )
        for policy in context.policies
    ]  # fmt: skip
    assert answer(one, GateContext(policies=turned, defaults=context.defaults)) == answer(one, context)


def test_the_examples_reach_every_verdict_by_every_kind_of_condition() -> None:
    """Without this, the test above could compare nothing but defaults."""
    rulings: Counter[str] = Counter()
    deciding: Counter[str] = Counter()

    some = Random(1)
    for _ in range(1000):
        intent = intents(some)
        context = contexts(some)
        verdict = judge(effects(some, intent), context)
        rulings[verdict.ruling] += 1
        for rule in (rule for policy in context.policies for rule in policy.rules):
            if rule.number == verdict.rule:
                deciding.update(key.partition(".")[0] for key in rule.match)
    assert set(rulings) == {Ruling.ALLOW, Ruling.ASK, Ruling.DENY}
    assert min(rulings.values()) >= 60
    assert min(deciding[key] for key in ("module", "class", "host", "origin", "param")) >= 10
