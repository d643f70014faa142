"""A verdict of the gate with a policy of 200 rules, next to the comparison of the same texts as they are written."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import count
from typing import Any

from bench.measure import Row, medians_of_both
from ftl2_enterprise.gate.effects import Effect, EffectKind, HostIdentity, Origin
from ftl2_enterprise.gate.judge import GateContext, judge
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule

RULES = 200
RUNS = 400
KINDS = (
    {"module": "shell", "param.cmd": "*mkfs*{n}*"},
    {"param.path": "/etc/app{n}/*"},
    {"param.path": "/srv/{n}/*.conf", "host": "prod*"},
    {"class": "packages", "param.name": "lib{n}*"},
    {"module": "service", "param.name": "unit{n}"},
    {"host": "db{n}*", "class": "storage"},
    {"environment": "env{n}", "module": "*"},
    {"module": "uri", "param.url": "https://*.site{n}.example/*"},
)
"""What policies are about; every rule is another one, and none matches, so that all are compared."""
HOST = HostIdentity(name="prod-web-1", connection="ssh", address="192.0.2.7", port=22, names=("prod", "web"))
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "a file": ("copy", {"dest": "/opt/x/{n}/site.conf", "content": "listen 80", "mode": "0644"}),
    "a package": ("apt", {"name": "nginx{n}", "state": "present"}),
    "a command": ("shell", {"cmd": "systemctl is-active nginx{n} && test -e /opt/x/{n}", "chdir": "/opt"}),
}


def run() -> list[Row]:
    rules = tuple(
        PolicyRule(number=n + 1, match=_filled(KINDS[n % len(KINDS)], n), reason="", source=f"x.yaml line {n}")
        for n in range(RULES)
    )
    context = GateContext(policies=(Policy(rules=rules, is_site=True),))
    return [_row(name, context, rules, *call) for name, call in CALLS.items()]


def _row(name: str, context: GateContext, rules: tuple[PolicyRule, ...], module: str, params: dict[str, Any]) -> Row:
    numbers = count()

    def effect() -> Effect:
        # Another one each time: no verdict profits from the one before.
        filled = _filled(params, next(numbers))
        return Effect(
            kind=EffectKind.ACTION, origin=Origin.MODEL, subject="x:1", host=HOST, module=module, params=filled
        )

    def ours() -> None:
        if judge(effect(), context).permit is None:
            raise SystemExit("cannot measure the gate: a rule matched")

    def plain() -> None:
        one = effect()
        texts = {
            "module": one.module,
            "host": one.host.name,
            **{f"param.{key}": one.params[key] for key in one.params},
        }
        for rule in rules:
            if all(fnmatchcase(texts.get(key, ""), pattern) for key, pattern in rule.match.items()):
                raise SystemExit("cannot measure the comparison of texts: a rule matched")

    mine, peer = medians_of_both(ours, plain, runs=RUNS, warmup=20)
    against = "fnmatch of the texts as written"
    return Row(name=f"a verdict about {name}, {RULES} rules", ours=mine, peer=peer, unit="ms", against=against)


def _filled(texts: dict[str, Any], n: int) -> dict[str, Any]:
    return {key: text.replace("{n}", str(n)) for key, text in texts.items()}
