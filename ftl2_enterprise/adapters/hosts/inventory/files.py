"""Reads Ansible inventories: YAML, INI, JSON and programs, with group_vars and host_vars."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from ftl2_enterprise.adapters.hosts.inventory.model import ALL, UNGROUPED, Inventory
from ftl2_enterprise.core.problem import Problem, invalid, not_found, unavailable
from ftl2_enterprise.loops.secrets import OF_THE_UNIT

PROGRAM_LIMIT = 60.0
RANGE_LIMIT = 100_000
GROUP_KEYS = frozenset({"hosts", "vars", "children"})

_RANGE = re.compile(r"\[(?:(\d+):(\d+)|([a-zA-Z]):([a-zA-Z]))(?::(\d+))?\]")
_ADDRESS = re.compile(r"\[[0-9a-fA-F.%]*:[0-9a-fA-F.%]*:[0-9a-fA-F:.%]*\](?::\d+)?")
"""An IPv6 address in brackets."""
_SECTION = re.compile(r"\[([^\]:]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Malformed(Exception):
    """An error in an inventory, with its line or the path of keys to it."""

    def __init__(self, what: str, *, line: int | None = None, keys: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what: str = what
        self.line: int | None = line
        self.keys: tuple[str, ...] = tuple(keys)


def load(path: Path | str | None) -> Inventory:
    """The inventory in a file, or only this machine for None. Raises Problem with the file and the line."""
    if path is None:
        return Inventory().settle()
    file = Path(path).expanduser()
    if not file.exists():
        raise not_found(f"cannot read the inventory {path}: there is no such file", "give the path of a file")
    if file.is_dir():
        raise invalid(f"cannot read the inventory {path}: it is a directory", "give one file of it")
    try:
        inventory = Inventory()
        _read(file, inventory)
        _read_adjacent(file, inventory)
        _refuse_cycle(inventory)
        return inventory.settle()
    except _Malformed as error:
        place = f"{path}:{error.line}" if error.line else str(path)
        raise invalid(f"cannot read the inventory {place}: {error.what}") from error
    except Problem:
        raise
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read the inventory {path}: it is not UTF-8 text") from error
    except OSError as error:
        raise unavailable(f"cannot read the inventory {path}: {error.strerror or error}") from error


def _refuse_cycle(inventory: Inventory) -> None:
    cycle = inventory.find_cycle()
    if cycle is not None:
        raise _Malformed(f"the group {cycle} contains itself")


def _read(file: Path, inventory: Inventory) -> None:
    if is_program(file):
        _fill_from_json(_ask_program(file), inventory)
        return
    content = file.read_text(encoding="utf-8")
    start = content.lstrip()
    if file.suffix == ".json" or (file.suffix not in {".yml", ".yaml", ".ini", ".cfg"} and start.startswith("{")):
        _fill_from_json(_json(content), inventory)
    elif file.suffix in {".ini", ".cfg"} or (file.suffix not in {".yml", ".yaml"} and _looks_like_ini(content)):
        _fill_from_ini(content, inventory)
    else:
        data = _yaml(content)
        try:
            _fill_from_yaml(data, inventory)
        except _Malformed as error:
            raise _Malformed(error.what, line=_line_of(content, error.keys), keys=error.keys) from error


def is_program(file: Path) -> bool:
    """Whether the inventory is the output of that file, which is executed."""
    if not os.access(file, os.X_OK):
        return False
    with file.open("rb") as opened:
        return opened.read(4)[:2] in {b"#!", b"\x7fE"}


def _looks_like_ini(content: str) -> bool:
    lines = [text for text in map(str.strip, content.splitlines()) if text and text[0] not in "#;"]
    if any(_SECTION.fullmatch(text) for text in lines):
        return True
    return not any(text.endswith(":") or ": " in text or text == "---" for text in lines)


# --- YAML ----------------------------------------------------------------------------------------------------------


def _yaml(content: str) -> Any:
    try:
        return yaml.load(content, Loader=_YAML_LOADER)  # the safe loader, in C where there is one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise _Malformed(error.problem or "it is not YAML", line=mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise _Malformed(f"it is not YAML: {error}") from error


def _fill_from_yaml(data: Any, inventory: Inventory) -> None:
    if data is None:
        return
    for name, group in _mapping(data, "the top level", ()).items():
        _yaml_group(str(name), group, inventory, (str(name),))


def _yaml_group(name: str, data: Any, inventory: Inventory, keys: tuple[str, ...]) -> None:
    group = inventory.group(name)
    known: Mapping[str, Any] = _mapping({} if data is None else data, f"the group {name}", keys)
    for key in known:
        if key not in GROUP_KEYS:
            raise _Malformed(f"{name} has the key {key}; a group has hosts, vars and children", keys=(*keys, key))
    hosts: Any = known.get("hosts")
    if isinstance(hosts, str) or (isinstance(hosts, list) and not all(isinstance(h, str) for h in _list(hosts))):
        raise _Malformed(f"the hosts of {name} have to be a mapping, or a list of names", keys=(*keys, "hosts"))
    if isinstance(hosts, list):
        hosts = dict.fromkeys(_list(hosts))
    for pattern, variables in _mapping(hosts or {}, f"the hosts of {name}", (*keys, "hosts")).items():
        place = (*keys, "hosts", str(pattern))
        given = _mapping({} if variables is None else variables, f"the host {pattern}", place)
        for host in _ranges(str(pattern), place):
            inventory.host(host).update(given)
            group.members[host] = None
    group.vars.update(_mapping(known.get("vars") or {}, f"the vars of {name}", (*keys, "vars")))
    children: Any = known.get("children")
    if isinstance(children, list):
        children = dict.fromkeys(_list(children))
    for child, below in _mapping(children or {}, f"the children of {name}", (*keys, "children")).items():
        group.children[str(child)] = None
        _yaml_group(str(child), below, inventory, (*keys, "children", str(child)))


def _line_of(content: str, keys: Sequence[str]) -> int | None:
    """The line of a key, searched in the document's nodes: only an error needs it."""
    node: Any = cast("Any", yaml).compose(content, Loader=yaml.SafeLoader)
    line: int = node.start_mark.line + 1
    for key in keys:
        pairs = cast("list[tuple[Any, Any]]", node.value if isinstance(node, yaml.MappingNode) else [])
        found = next(((k, v) for k, v in pairs if str(k.value) == key), None)
        if found is None:
            break
        line, node = int(found[0].start_mark.line) + 1, found[1]
    return line


# --- JSON and programs ---------------------------------------------------------------------------------------------


def _json(content: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise _Malformed(f"it is not JSON: {error.msg}", line=error.lineno) from error


def _ask_program(file: Path) -> Any:
    answer = _json(_run(file, "--list"))
    groups = _mapping(answer, "the answer to --list", ())
    if "_meta" not in groups:
        found = Inventory()
        _fill_from_json(groups, found)
        known = {name: _json(_run(file, "--host", name)) for name in found.host_vars}
        return {**groups, "_meta": {"hostvars": known}}
    return groups


def _run(file: Path, *arguments: str) -> str:
    # An absolute path, because a bare name would be searched in PATH.
    try:
        done = subprocess.run(
            [str(file.absolute()), *arguments], capture_output=True, timeout=PROGRAM_LIMIT, check=False,
            stdin=subprocess.DEVNULL, env={name: os.environ[name] for name in os.environ if name not in OF_THE_UNIT},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _Malformed(f"the program did not complete {arguments[0]} within {PROGRAM_LIMIT:g} s") from error
    if done.returncode:
        errors = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _Malformed(f"the program ended with status {done.returncode}" + (f": {errors[-1]}" if errors else ""))
    return done.stdout.decode("utf-8", "replace")


def _fill_from_json(data: Any, inventory: Inventory) -> None:
    top = dict(_mapping(data, "the top level", ()))
    meta = _mapping(top.pop("_meta", None) or {}, "_meta", ())
    for name, group in top.items():
        # A plain list is the old form of a group with hosts only.
        _yaml_group(str(name), {"hosts": group} if isinstance(group, list) else group, inventory, (str(name),))
    for name, variables in _mapping(meta.get("hostvars") or {}, "_meta.hostvars", ()).items():
        if str(name) not in inventory.host_vars:
            inventory.group(ALL).members[str(name)] = None
        inventory.host(str(name)).update(_mapping(variables or {}, f"the variables of {name}", ()))


# --- INI -----------------------------------------------------------------------------------------------------------


def _fill_from_ini(content: str, inventory: Inventory) -> None:
    name, kind = UNGROUPED, "hosts"
    mentioned: dict[str, int] = {}
    later: dict[str, dict[str, Any]] = {}  # variables may precede their group
    for number, raw in enumerate(content.splitlines(), 1):
        text = raw.strip()
        if not text or text[0] in "#;":
            continue
        try:
            if text.startswith("["):
                name, kind = _ini_section(text)
                if kind == "vars":
                    mentioned.setdefault(name, number)
                else:
                    inventory.group(name)
            elif kind == "vars":
                _ini_var(text, later.setdefault(name, {}))
            elif kind == "children":
                mentioned.setdefault(_ini_child(text, name, inventory), number)
            else:
                _ini_host(text, name, inventory)
        except _Malformed as error:
            raise _Malformed(error.what, line=number) from error
    for group, number in mentioned.items():
        if group not in inventory.groups and group not in {ALL, UNGROUPED}:
            raise _Malformed(f"the group {group} is used here but not defined", line=number)
    for group, variables in later.items():
        inventory.group(group).vars.update(variables)


def _ini_section(text: str) -> tuple[str, str]:
    section = _SECTION.fullmatch(text)
    if section is None:
        raise _Malformed(f"the section {text} does not end with ]")
    kind = section[2] or "hosts"
    if kind not in GROUP_KEYS:
        raise _Malformed(f"the section {text} is unknown; it ends with :vars or :children")
    return section[1].strip(), kind


def _ini_child(text: str, name: str, inventory: Inventory) -> str:
    words = _words(text)
    if len(words) > 1:
        raise _Malformed(f"{text} is not the name of one group")
    inventory.group(name).children[words[0]] = None
    return words[0]


def _ini_var(text: str, variables: dict[str, Any]) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise _Malformed(f"{text} is not NAME=VALUE")
    variables[key.strip()] = _value(value.strip())


def _ini_host(text: str, name: str, inventory: Inventory) -> None:
    words = _words(text)
    variables: dict[str, Any] = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise _Malformed(f"{word} is not NAME=VALUE")
        variables[key] = _value(value)
    for host in _ranges(words[0], ()):
        address, colon, port = host.partition(":")
        named, given = (address, {"ansible_port": int(port)}) if colon and port.isdigit() else (host, {})
        inventory.host(named).update({**given, **variables})
        inventory.group(name).members[named] = None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True) or [""]
    except ValueError as error:
        raise _Malformed(f"{text}: {error}") from error


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


# --- ranges, and variables next to the inventory -------------------------------------------------------------------


def _ranges(pattern: str, keys: Sequence[str]) -> Iterator[str]:
    """`web[01:03]` is web01, web02 and web03."""
    if _ADDRESS.fullmatch(pattern):
        return iter([pattern])
    wrong = _Malformed(f"{pattern} is not a range of hosts; write it like web[01:03]", keys=keys)
    parts: list[list[str]] = []
    end = 0
    for match in _RANGE.finditer(pattern):
        first, last, letter, final, stride = match.groups()
        step = int(stride or 1)
        low, high = (int(first), int(last)) if first else (ord(letter), ord(final))
        if step < 1 or high < low or high - low > RANGE_LIMIT:
            raise wrong
        numbers = range(low, high + 1, step)
        parts += [[pattern[end : match.start()]],
                  [str(n).zfill(len(first)) for n in numbers] if first else [chr(n) for n in numbers]]  # fmt: skip
        end = match.end()
    if {"[", "]"} & set(_RANGE.sub("", pattern)):
        raise wrong
    return map("".join, itertools.product(*parts, [pattern[end:]]))


def _read_adjacent(file: Path, inventory: Inventory) -> None:
    directory = file.absolute().parent
    _read_vars(directory / "group_vars", {*inventory.groups, ALL}, lambda name: inventory.group(name).vars)
    _read_vars(directory / "host_vars", set(inventory.host_vars), inventory.host)


def _read_vars(directory: Path, known: set[str], of: Callable[[str], dict[str, Any]]) -> None:
    for entry in sorted(directory.iterdir()) if directory.is_dir() else []:
        name = entry.stem if entry.suffix in {".yml", ".yaml", ".json"} and entry.is_file() else entry.name
        if name not in known:
            continue
        files = sorted(p for p in entry.rglob("*") if p.is_file()) if entry.is_dir() else [entry]
        for source in files:
            if source.name.startswith(".") or source.name.endswith("~"):
                continue
            if source.suffix in {".yml", ".yaml", ".json", ""} or source is entry:
                of(name).update(_vars_file(source))


def _vars_file(source: Path) -> Mapping[str, Any]:
    content = source.read_text(encoding="utf-8")
    if content.startswith("$ANSIBLE_VAULT"):
        raise invalid(
            f"cannot read the variables {source}: they are encrypted with ansible-vault",
            "decrypt the file, or bind secrets",
        )
    try:
        return _mapping(_yaml(content) or {}, "the file", ())
    except _Malformed as error:
        place = f"{source}:{error.line}" if error.line else str(source)
        raise invalid(f"cannot read the variables {place}: {error.what}") from error


def _mapping(value: Any, what: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _Malformed(f"{what} has to be a mapping", keys=keys)
    return cast("Mapping[str, Any]", value)


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value)
