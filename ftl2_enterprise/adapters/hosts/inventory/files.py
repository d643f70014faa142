"""Reads Ansible inventories: YAML, INI, JSON and programs, with group_vars and host_vars."""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import os
import re
import resource
import select
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import yaml

from ftl2_enterprise.adapters.hosts.inventory.model import ALL, UNGROUPED, Inventory
from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.core.regular_file import is_program, size_text
from ftl2_enterprise.core.source_files import ON_DISK, SourceFiles, unreadable
from ftl2_enterprise.loops.secrets import OF_THE_UNIT
from ftl2_enterprise.protocol.loops.sent_files import VARS_SUFFIXES

PROGRAM_LIMIT = 60.0
RANGE_LIMIT = 100_000
LARGEST_OUTPUT = 16 << 20
"""Bytes that a program may print."""
LARGEST_FILE = 64 << 20
"""Bytes of a file that a program writes, which includes what it prints."""
LONGEST_REASON = 4096
GROUP_KEYS = frozenset({"hosts", "vars", "children"})

_RANGE = re.compile(r"\[(?:(\d+):(\d+)|([a-zA-Z]):([a-zA-Z]))(?::(\d+))?\]")
_ADDRESS = re.compile(r"\[[0-9a-fA-F.%]*:[0-9a-fA-F.%]*:[0-9a-fA-F:.%]*\](?::\d+)?")
"""An IPv6 address in brackets."""
_SECTION = re.compile(r"\[([^\]:]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Malformed(Exception):
    """An error in an inventory, with its line or the path of keys to it."""

    def __init__(
        self, what: str, *, line: int | None = None, keys: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(what)
        self.what: str = what
        self.hint: str | None = hint
        self.line: int | None = line
        self.keys: tuple[str, ...] = tuple(keys)


def load(path: Path | str | None, sources: SourceFiles = ON_DISK) -> Inventory:
    """The inventory in a file, or only this machine for None. Raises Problem with the file and the line."""
    if path is None:
        return Inventory().settle()
    try:
        inventory = Inventory()
        file = Path(os.path.expanduser(path))  # noqa: PTH111 - the other one raises for an unknown user
        sources = sources.of(file)
        _read(file, inventory, sources)
        _read_adjacent(file, inventory, sources)
        _refuse_cycle(inventory)
        return inventory.settle()
    except _Malformed as error:
        place = f"{path}:{error.line}" if error.line else str(path)
        raise invalid(f"cannot read the inventory {place}: {error.what}", error.hint) from error
    except FileNotFoundError as error:
        what = f"cannot read the inventory {path}: there is no such file"
        raise not_found(what, "give the path of a file") from error
    except IsADirectoryError as error:
        raise invalid(f"cannot read the inventory {path}: it is a directory", "give one file of it") from error
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read the inventory {path}: it is not UTF-8 text", "save it as UTF-8") from error
    except RecursionError as error:
        raise invalid(f"cannot read the inventory {path}: it is nested too deeply", "use fewer levels") from error
    except (OSError, ValueError) as error:
        raise unreadable(f"cannot read the inventory {path}", error) from error


def _refuse_cycle(inventory: Inventory) -> None:
    cycle = inventory.find_cycle()
    if cycle is not None:
        raise _Malformed(f"the group {cycle} contains itself")


def _read(file: Path, inventory: Inventory, sources: SourceFiles) -> None:
    # Only a file on this machine is executed: of one that was sent there is the text.
    if sources is ON_DISK and is_program(file):
        _fill_from_json(_ask_program(file), inventory)
        return
    content = sources.read(file).decode()
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
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        _execute([str(file.absolute()), *arguments], output, errors)
        if output.seek(0, os.SEEK_END) > LARGEST_OUTPUT:
            raise _Malformed(
                f"the program printed more than {size_text(LARGEST_OUTPUT)} for {arguments[0]}", hint="print less"
            )
        output.seek(0)
        return output.read().decode("utf-8", "replace")


def _execute(argv: Sequence[str], output: IO[bytes], errors: IO[bytes]) -> None:
    """Run the program in a new session, which is killed as a whole."""
    program = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True,
        env={name: os.environ[name] for name in os.environ if name not in OF_THE_UNIT},
    )  # fmt: skip
    try:
        # What it could fill is a disk, and not this process.
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        if not _ends_within(PROGRAM_LIMIT, program.pid):
            what = f"the program did not complete {argv[1]} within {PROGRAM_LIMIT:g} s"
            raise _Malformed(what, hint=f"run `{argv[0]} {argv[1]}` to see why")
    finally:
        # Before the program is reaped: while it exists, even as a zombie, the id of its group cannot be reused.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        status = program.wait()
    if status:
        size = errors.seek(0, os.SEEK_END)
        errors.seek(max(0, size - LONGEST_REASON))
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()
        what = f"the program ended with status {status}" + (f": {lines[-1]}" if lines else "")
        raise _Malformed(what, hint=f"run `{argv[0]} {argv[1]}` to see why")


def _ends_within(seconds: float, pid: int) -> bool:
    """Wait until the child has ended, without reaping it; whether it has."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


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


def _read_adjacent(file: Path, inventory: Inventory, sources: SourceFiles) -> None:
    directory = file.absolute().parent
    groups, hosts = {*inventory.groups, ALL}, set(inventory.host_vars)
    _read_vars(directory / "group_vars", groups, lambda name: inventory.group(name).vars, sources)
    _read_vars(directory / "host_vars", hosts, inventory.host, sources)


def _read_vars(directory: Path, known: set[str], of: Callable[[str], dict[str, Any]], sources: SourceFiles) -> None:
    for source in sources.below(directory):
        first, *rest = source.relative_to(directory).parts
        name = Path(first).stem if not rest and source.suffix in VARS_SUFFIXES else first
        if name not in known or source.name.startswith(".") or source.name.endswith("~"):
            continue
        if not rest or source.suffix in VARS_SUFFIXES:
            of(name).update(_vars_file(source, sources))


def _vars_file(source: Path, sources: SourceFiles) -> Mapping[str, Any]:
    try:
        content = sources.read(source).decode()
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read the variables {source}: it is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise unreadable(f"cannot read the variables {source}", error) from error
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
