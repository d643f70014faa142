"""Reads policy files. The YAML is read node by node, so that every error names its file and line.

Importing this module imports PyYAML, which takes several milliseconds; most processes have no policy and do not.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

import yaml

from ftl2_enterprise.core.problem import Problem, invalid, not_found
from ftl2_enterprise.gate.policy.types import PARAM, AppliesTo, DenyRule, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOP = ("rules",)
_RULE = ("decision", "match", "reason", "applies_to")
_MATCH = ("module", "host", "environment")


def load_policy(path: Path) -> Policy:
    """Read a policy file, or every *.yml and *.yaml file of a directory in name order.

    Raises Problem(invalid), with file and line, or Problem(not_found).
    """
    return Policy(rules=tuple(_rules(path)))


def _rules(path: Path) -> Iterator[DenyRule]:
    """Every rule of a file or directory, numbered from 1."""
    number = 0
    for file in _files(path):
        for node in _rule_nodes(file):
            number += 1
            yield _rule(file, node, number)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in {".yml", ".yaml"} and file.is_file())
        if not files:
            raise invalid(f"cannot use the policy {path}: the directory has no *.yml or *.yaml file")
        return files
    if not path.exists():
        raise not_found(f"cannot find the policy {path}", "name a YAML file or a directory of them")
    return [path]


def _rule_nodes(file: Path) -> list[yaml.Node]:
    try:
        root = cast("yaml.Node | None", yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
    except OSError as error:
        raise invalid(f"cannot read the policy {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read the policy {file}: it is not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise invalid(f"cannot read the policy {file}{line}: it is not YAML: {what}") from error
    if root is None:
        raise invalid(f"cannot use the policy {file}: it is empty", "write `rules: []` to deny nothing")
    top = _fields(file, root, _TOP, "the policy")
    if "rules" not in top:
        raise _wrong(file, root, "it has no rules", "write `rules:` and a list of rules below it")
    rules = top["rules"]
    if not isinstance(rules, yaml.SequenceNode):
        raise _wrong(file, rules, "`rules` is not a list", "begin each rule with a dash")
    return cast("list[yaml.Node]", rules.value)


def _rule(file: Path, node: yaml.Node, number: int) -> DenyRule:
    fields = _fields(file, node, _RULE, "a rule")
    if "decision" not in fields:
        raise _wrong(file, node, "the rule has no decision", "write `decision: deny`")
    decision = _text(file, fields["decision"])
    if decision != "deny":
        hint = "omit the rule: what no rule denies is allowed" if decision == "allow" else "write `deny`"
        raise _wrong(file, fields["decision"], f"the decision {decision!r} is unknown", hint)
    if "match" not in fields:
        raise _wrong(file, node, "the rule has no match", 'write `match:`; `module: "*"` matches everything')
    return DenyRule(
        number=number,
        match=_match(file, fields["match"]),
        reason=_text(file, fields["reason"]).strip() if "reason" in fields else "",
        source=f"{file.name} line {_line(node)}",
        applies_to=_applies_to(file, fields.get("applies_to")),
    )


def _match(file: Path, node: yaml.Node) -> dict[str, str]:
    fields = _fields(file, node, _MATCH, "match", prefix=PARAM)
    if not fields:
        raise _wrong(file, node, "the rule's match is empty", '`module: "*"` matches everything')
    return {key: _text(file, value) for key, value in fields.items()}


def _applies_to(file: Path, node: yaml.Node | None) -> frozenset[AppliesTo]:
    if node is None:
        return frozenset({AppliesTo.ACTIONS})
    items = cast("list[yaml.Node]", node.value) if isinstance(node, yaml.SequenceNode) else [node]
    kinds: set[AppliesTo] = set()
    for item in items:
        word = _text(file, item)
        if word not in list(AppliesTo):
            raise _wrong(file, item, f"a rule cannot apply to {word!r}", "write actions, observations or both")
        kinds.add(AppliesTo(word))
    if not kinds:
        raise _wrong(file, node, "`applies_to` is empty", "write actions, observations or both")
    return frozenset(kinds)


def _fields(
    file: Path, node: yaml.Node, known: tuple[str, ...], what: str, *, prefix: str | None = None
) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(file, node, f"{what} is not a mapping of names to values", f"allowed names: {', '.join(known)}")
    fields: dict[str, yaml.Node] = {}
    for key_node, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
        key = _text(file, key_node)
        if key not in known and not (prefix and key.startswith(prefix) and key != prefix):
            near = get_close_matches(key, known, n=1)
            options = [*known, f"{prefix}NAME"] if prefix else list(known)
            hint = f"did you mean {near[0]}?" if near else f"allowed names: {', '.join(options)}"
            raise _wrong(file, key_node, f"{what} has an unknown name {key!r}", hint)
        if key in fields:
            # YAML would silently use the last one, and the rule would deny something else than its text suggests.
            raise _wrong(file, key_node, f"{what} has {key!r} twice", "keep one")
        fields[key] = value
    return fields


def _text(file: Path, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(file, node, "a text or number is required here", "write one rule for each pattern")
    value = _scalar(node)
    if value is None:
        raise _wrong(file, node, "the value is missing", 'write "*" for any value')
    return json.dumps(value) if isinstance(value, bool) else str(node.value)


def _scalar(node: yaml.ScalarNode) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return cast("Any", loader.construct_object(node))
    except (ValueError, yaml.YAMLError):
        return str(node.value)
    finally:
        loader.dispose()


def _line(node: yaml.Node) -> int:
    return cast("int", node.start_mark.line) + 1


def _wrong(file: Path, node: yaml.Node, what: str, hint: str) -> Problem:
    return invalid(f"cannot use the policy {file} line {_line(node)}: {what}", hint)
