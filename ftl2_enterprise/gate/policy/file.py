"""Reads policy files. The YAML is read node by node, so that every error names its file and line.

Importing this module imports PyYAML, which takes several milliseconds; most processes have no policy and do not.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from errno import EFBIG
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast, final

import yaml

from ftl2_enterprise.core.problem import Problem, invalid, not_found
from ftl2_enterprise.core.quantities import LONGEST_DURATION
from ftl2_enterprise.core.source_files import ON_DISK, SourceFiles, unreadable
from ftl2_enterprise.gate.approvals import ApprovalNeed, ApproverAccess
from ftl2_enterprise.gate.effects import Origin
from ftl2_enterprise.gate.module_table import ModuleClass
from ftl2_enterprise.gate.modules import is_known, similar
from ftl2_enterprise.gate.policy.pattern import Pattern
from ftl2_enterprise.gate.policy.types import PARAM, AppliesTo, Policy, PolicyRule, RuleDecision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUFFIXES = frozenset({".yml", ".yaml"})
"""Of the files of a policy that is a directory."""
_NOT_MEANT = re.compile(
    r"^\.|^#|^README|^lost\+found$|~$"
    r"|\.(?:bak|old|orig|rej|sw[op]|tmp|new|save|disabled|off|(?:dpkg|ucf)-\w+|rpm\w+)$"
)
"""Names of hidden files, of copies that editors and packages leave, and of what people have put out of use."""
_MOST_IGNORED = 20
_TOP = ("rules",)
_APPROVAL = ("by", "group", "people", "not_requester", "expires")
_RULE = ("decision", "match", "reason", "applies_to", *_APPROVAL)
_MATCH = ("module", "class", "host", "environment", "origin")
_WORDS = {"class": tuple(ModuleClass), "origin": tuple(Origin)}
"""Conditions that have a fixed set of values."""
_ACCESS = {
    "operate": ApproverAccess.OPERATE,
    "admin": ApproverAccess.ADMINISTER,
    "administer": ApproverAccess.ADMINISTER,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NUMBER = re.compile(r"[0-9]{1,3}")
_MOST_PEOPLE = 100
_LONGEST_TEXT = 4096
_LONGEST_SHOWN = 60
_TRUTH = {"yes": "true", "true": "true", "on": "true", "no": "false", "false": "false", "off": "false"}
_TAG = "tag:yaml.org,2002:"
LARGEST_POLICY = 4 * 1024 * 1024
"""Bytes of all files of a policy."""
MOST_RULES = 10_000
MOST_NODES = 15 * MOST_RULES
"""Values and names in one file; reading as many takes some seconds."""


def load_policy(path: Path, sources: SourceFiles = ON_DISK) -> Policy:
    """Read a policy file, or every *.yml and *.yaml file of a directory in name order.

    Raises Problem: invalid, with file and line, not_found or unavailable.
    """
    try:
        sources = sources.of(path)
        files = _files(path, sources)
    except (OSError, ValueError) as error:
        raise unreadable(f"cannot read the policy {path}", error) from error
    return _policy(files, sources, is_site=False)


def load_site_policy(directory: Path) -> Policy:
    """Read the policy of the site: the files of a directory; without the directory or files it is empty.

    Raises Problem(invalid), with file and line.
    """
    try:
        files = _yaml_files(directory) if directory.exists() else []
        if directory.exists() and not directory.is_dir():
            raise invalid(f"cannot use the site policy {directory}: it is not a directory")
    except OSError as error:
        raise invalid(f"cannot read the site policy {directory}: {error.strerror}") from error
    return replace(_policy(files, ON_DISK, is_site=True), ignored=tuple(_ignored(directory)))


def _policy(files: Sequence[Path], sources: SourceFiles, *, is_site: bool) -> Policy:
    """The rules of all files, numbered from 1."""
    digest = sha256()
    rules: list[PolicyRule] = []
    left = LARGEST_POLICY
    for file in files:
        data = _read(file, left, sources)
        left -= len(data)
        digest.update(f"{file.name}\0{len(data)}\0".encode() + data)
        nodes = _rule_nodes(file, data)
        if len(rules) + len(nodes) > MOST_RULES:
            first = nodes[MOST_RULES - len(rules)]
            raise _wrong(file, first, f"the policy has more than {MOST_RULES} rules", "use wildcards in fewer rules")
        rules += [_rule(file, node, number) for number, node in enumerate(nodes, len(rules) + 1)]
    return Policy(rules=tuple(rules), revision=digest.hexdigest() if files else "", is_site=is_site)


def _ignored(directory: Path) -> list[str]:
    """What a directory has that is not read although a person may have meant it as a part of the policy."""
    try:
        found = sorted(one for one in directory.iterdir() if not _NOT_MEANT.search(one.name))
        found = [one for one in found if one.suffix not in SUFFIXES]
        sentences = [_why_ignored(one) for one in found[:_MOST_IGNORED]]
    except OSError:
        # Without the directory, or while it changes, there is no warning.
        return []
    if len(found) > _MOST_IGNORED:
        sentences.append(f"{len(found) - _MOST_IGNORED} more files and directories in {directory} are not read")
    return sentences


def _why_ignored(found: Path) -> str:
    name = _shown(found.name.encode(errors="surrogateescape").decode("utf-8", "backslashreplace"))
    if found.is_dir():
        return f"the directory {name} in {found.parent} is not read; move its files one level up"
    return f"the file {name} in {found.parent} is not read; the name of a policy file ends with .yaml or .yml"


def _yaml_files(directory: Path) -> list[Path]:
    return sorted(file for file in directory.iterdir() if file.suffix in SUFFIXES)


def _files(path: Path, sources: SourceFiles) -> list[Path]:
    if sources.is_directory(path):
        files = [file for file in sources.entries(path) if file.suffix in SUFFIXES]
        if not files:
            raise invalid(f"cannot use the policy {path}: the directory has no *.yml or *.yaml file")
        return files
    return [path]


def _read(file: Path, limit: int, sources: SourceFiles) -> bytes:
    if not _is_unicode(str(file)):
        raise invalid(f"cannot use the policy {str(file)!a}: its name is not UTF-8 text", "rename it")
    try:
        return sources.read(file, limit)
    except FileNotFoundError as error:
        raise not_found(f"cannot find the policy {file}", "name a YAML file or a directory of them") from error
    except OSError as error:
        if error.errno == EFBIG:
            raise invalid(
                f"cannot read the policy {file}: the policy is larger than {LARGEST_POLICY >> 20} MiB",
                "use wildcards in fewer rules",
            ) from error
        raise unreadable(f"cannot read the policy {file}", error) from error


@final
class _PolicyLoader(yaml.SafeLoader):
    """Reads a file up to the first alias, or until it is too large: reading takes long."""

    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._nodes = 0
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = cast("Any", self.peek_event()).start_mark
        where = f"cannot use the policy {self._file} line {mark.line + 1}"
        self._nodes += 1
        if self.check_event(yaml.AliasEvent):
            raise invalid(f"{where}: YAML aliases are not used in policies", "write the value again")
        if self._nodes > MOST_NODES:
            raise invalid(f"{where}: the file has more than {MOST_NODES} values", "use wildcards in fewer rules")
        return super().compose_node(parent, index)


def _rule_nodes(file: Path, data: bytes) -> list[yaml.Node]:
    loader: _PolicyLoader | None = None
    try:
        loader = _PolicyLoader(file, data.decode())
        root = loader.get_single_node()
    except RecursionError as error:
        raise invalid(f"cannot read the policy {file}: it is nested too deeply", "use fewer levels") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise invalid(f"cannot read the policy {file} line {line}: it is not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # A character that YAML does not allow has a position only.
        before = data.decode()[: getattr(error, "position", 0)]
        line = mark.line + 1 if mark is not None else before.count("\n") + 1
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise invalid(f"cannot read the policy {file} line {line}: it is not YAML: {what}") from error
    except (ValueError, OverflowError) as error:
        # PyYAML does not check numbers of characters and versions.
        line = cast("int", loader.line) + 1 if loader is not None else 1
        raise invalid(f"cannot read the policy {file} line {line}: it is not YAML: {error}") from error
    if root is None:
        raise invalid(f"cannot use the policy {file}: it is empty", "write `rules: []` to deny nothing")
    top = _fields(file, root, _TOP, "the policy")
    if "rules" not in top:
        raise _wrong(file, root, "it has no rules", "write `rules:` and a list of rules below it")
    rules = top["rules"]
    if not isinstance(rules, yaml.SequenceNode):
        raise _wrong(file, rules, "`rules` is not a list", "begin each rule with a dash")
    return cast("list[yaml.Node]", rules.value)


def _rule(file: Path, node: yaml.Node, number: int) -> PolicyRule:
    fields = _fields(file, node, _RULE, "a rule")
    if "decision" not in fields:
        raise _wrong(file, node, "the rule has no decision", "write `decision: deny`, `ask` or `allow`")
    decision = _text(file, fields["decision"])
    if decision not in list(RuleDecision):
        raise _wrong(
            file, fields["decision"], f"the decision {_shown(decision)} is unknown", "write `deny`, `ask` or `allow`"
        )
    if "match" not in fields:
        raise _wrong(file, node, "the rule has no match", 'write `match:`; `module: "*"` matches everything')
    for name in _APPROVAL:
        if name in fields and decision != RuleDecision.ASK:
            raise _wrong(file, fields[name], f"`{name}` belongs to a rule with `decision: ask`", "remove it")
    applies_to = _applies_to(file, fields.get("applies_to"))
    if decision == RuleDecision.ASK and (others := sorted(applies_to - {AppliesTo.ACTIONS})):
        hint = f"write `decision: deny` or `allow` in a rule about {' and '.join(others)}"
        raise _wrong(file, fields["applies_to"], "a rule with `decision: ask` is about actions alone", hint)
    return PolicyRule(
        number=number,
        match=_match(file, fields["match"], applies_to),
        reason=_text(file, fields["reason"], as_written=True).strip() if "reason" in fields else "",
        source=f"{file.name} line {_line(node)}",
        applies_to=applies_to,
        decision=RuleDecision(decision),
        needs=_need(file, fields) if decision == RuleDecision.ASK else None,
    )


def _need(file: Path, fields: dict[str, yaml.Node]) -> ApprovalNeed:
    by, people = "operate", 1
    if "by" in fields:
        by = _text(file, fields["by"])
        if by not in _ACCESS:
            raise _wrong(file, fields["by"], f"`by` cannot be {_shown(by)}", "write operate or admin")
    if "people" in fields:
        text = _text(file, fields["people"])
        if _NUMBER.fullmatch(text) is None or not 1 <= int(text) <= _MOST_PEOPLE:
            hint = f"write a number from 1 to {_MOST_PEOPLE}"
            raise _wrong(file, fields["people"], f"`people` cannot be {_shown(text)}", hint)
        people = int(text)
    return ApprovalNeed(
        by=_ACCESS[by],
        group=_group(file, fields),
        people=people,
        not_requester=_truth(file, fields, "not_requester"),
        expires=_seconds(file, fields["expires"]) if "expires" in fields else None,
    )


def _group(file: Path, fields: dict[str, yaml.Node]) -> str:
    name = _text(file, fields["group"]).strip() if "group" in fields else ""
    if "group" in fields and not name:
        raise _wrong(file, fields["group"], "`group` is empty", "write the name of a Unix group")
    return name


def _truth(file: Path, fields: dict[str, yaml.Node], name: str) -> bool:
    text = _text(file, fields[name]) if name in fields else "false"
    if text not in {"true", "false"}:
        raise _wrong(file, fields[name], f"`{name}` cannot be {_shown(text)}", "write true or false")
    return text == "true"


def _seconds(file: Path, node: yaml.Node) -> float:
    text = _text(file, node)
    match = _DURATION.fullmatch(text.strip())
    found = float(match[1]) * _SECONDS[match[2] or "s"] if match is not None else 0.0
    if not 0 < found <= LONGEST_DURATION:
        raise _wrong(file, node, f"`expires` cannot be {_shown(text)}", "write a duration such as 30m, 1h or 2d")
    return found


def _match(file: Path, node: yaml.Node, applies_to: frozenset[AppliesTo]) -> dict[str, str]:
    fields = _fields(file, node, _MATCH, "match", prefix=PARAM)
    if not fields:
        raise _wrong(file, node, "the rule's match is empty", '`module: "*"` matches everything')
    for key, words in _WORDS.items():
        if key in fields and (word := _text(file, fields[key])) not in words:
            raise _wrong(file, fields[key], f"there is no {key} {_shown(word)}", f"write one of {', '.join(words)}")
    match = {key: _text(file, value) for key, value in fields.items()}
    # The module of a request to a model is its provider.
    if "module" in match and AppliesTo.MODEL_CALLS not in applies_to:
        _check_module(file, fields["module"], match["module"])
    return match


def _check_module(file: Path, node: yaml.Node, name: str) -> None:
    """Refuse a name that is probably a mistake. Others that no module has are warnings of `policy show`."""
    if Pattern(name).is_literal and not is_known(name) and (meant := similar(name)) is not None:
        hint = f"did you mean {meant}? a module of a collection has its full name, as in community.general.ufw"
        raise _wrong(file, node, f"there is no module {_shown(name)}", hint)


def _applies_to(file: Path, node: yaml.Node | None) -> frozenset[AppliesTo]:
    if node is None:
        return frozenset({AppliesTo.ACTIONS})
    items = cast("list[yaml.Node]", node.value) if isinstance(node, yaml.SequenceNode) else [node]
    kinds: set[AppliesTo] = set()
    for item in items:
        word = _text(file, item)
        if word not in list(AppliesTo):
            hint = "write actions, observations, model_calls or a list"
            raise _wrong(file, item, f"a rule cannot apply to {_shown(word)}", hint)
        kinds.add(AppliesTo(word))
    if not kinds:
        raise _wrong(file, node, "`applies_to` is empty", "write actions, observations, model_calls or a list")
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
            raise _wrong(file, key_node, f"{what} has an unknown name {_shown(key)}", hint)
        if key in fields:
            # YAML would silently use the last one, and the rule would deny something else than its text suggests.
            raise _wrong(file, key_node, f"{what} has {_shown(key)} twice", "keep one")
        fields[key] = value
    return fields


def _text(file: Path, node: yaml.Node, *, as_written: bool = False) -> str:
    """The text of a value; `as_written`: whether `no` is the word and not a truth value."""
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(file, node, "a text or number is required here", "write one rule for each pattern")
    text = str(node.value)
    if node.tag == f"{_TAG}null":
        raise _wrong(file, node, "the value is missing", 'write "*" for any value')
    if len(text) > _LONGEST_TEXT:
        raise _wrong(file, node, "the text is too long", f"write at most {_LONGEST_TEXT} characters")
    if not _is_unicode(text):
        raise _wrong(file, node, f"{_shown(text)} contains half a character", "remove it")
    return _TRUTH.get(text.lower(), text) if not as_written and node.tag == f"{_TAG}bool" else text


def _is_unicode(text: str) -> bool:
    """Whether it can be stored: YAML can name halves of characters, such as `U+D800`."""
    return not any("\ud800" <= one <= "\udfff" for one in text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


def _line(node: yaml.Node) -> int:
    return cast("int", node.start_mark.line) + 1


def _wrong(file: Path, node: yaml.Node, what: str, hint: str) -> Problem:
    return invalid(f"cannot use the policy {file} line {_line(node)}: {what}", hint)
