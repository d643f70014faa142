"""Arguments for ssh(1) in an inventory, such as `ansible_ssh_common_args`: those that name the way to a host.

Others are refused, because the service connects without the program ssh, and what it ignores could be what protects
a host.
"""

from __future__ import annotations

import functools
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from ftl2_enterprise.core.problem import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLES = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
"""In the order in which Ansible gives them to ssh."""
_SUPPORTED = (
    "supported are -J, -i, -p, -l, and -o with ProxyJump, IdentityFile, Port, User, UserKnownHostsFile and"
    " StrictHostKeyChecking=yes"
)
_LETTERS = {"J": "proxyjump", "i": "identityfile", "p": "port", "l": "user"}
_KEYWORDS = {
    "proxyjump": "ProxyJump", "identityfile": "IdentityFile", "port": "Port", "user": "User",
    "userknownhostsfile": "UserKnownHostsFile", "stricthostkeychecking": "StrictHostKeyChecking",
}  # fmt: skip
_CHECKING = frozenset({"yes", "true", "on", "ask"})
"""Values with which a host whose key is unknown is refused where no person can be asked."""
_OPTION = re.compile(r"(?P<keyword>[A-Za-z0-9]+)\s*[=\s]\s*(?P<value>.*\S)\s*\Z", re.DOTALL)
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s,-][^@\s,]*)@)?"
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?/?\Z"
)
_THROUGH = re.compile(r"ssh\s.*?(?P<host>[^\s\"'-][^\s\"']*)\s*\Z", re.DOTALL)
"""A command that connects by ssh; the host is its last word in the form that people use."""


class Jump(NamedTuple):
    """A host through which a connection leads, as in `ProxyJump`."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def text(self) -> str:
        """The form of `ProxyJump`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"


class SshArguments(NamedTuple):
    """What the arguments of a host request; None where they have no value."""

    jumps: tuple[Jump, ...] | None = None
    """The hosts to pass, the first one first; empty for a direct connection."""
    port: int | None = None
    user: str | None = None
    key: str | None = None
    """Path of a private key."""
    known_hosts: tuple[str, ...] | None = None
    """Paths of the files that have the keys of the host."""


def arguments_of(name: str, variables: Mapping[str, Any]) -> SshArguments:
    """The arguments of a host with these variables. Raises Problem(invalid), in one sentence that names the host."""
    program = variables.get("ansible_ssh_executable")
    if program:
        raise invalid(
            f"cannot use the host {name}: its ansible_ssh_executable {program!r} is a program, and none is used to"
            " connect",
            "remove the variable",
        )
    given = tuple((variable, str(text)) for variable in VARIABLES if (text := variables.get(variable)))
    return _parsed(name, given) if given else SshArguments()


def jumps_of(text: str) -> tuple[Jump, ...]:
    """The hosts of a value of `ProxyJump`; empty for `none`. Raises ValueError with the part that is no host."""
    if text.strip().lower() == "none":
        return ()
    found: list[Jump] = []
    for part in text.split(","):
        jump = _JUMP.match(part.strip())
        if jump is None or (jump["port"] and not 0 < int(jump["port"]) < 65_536):
            raise ValueError(part.strip())
        found.append(Jump(jump["address"] or jump["name"], jump["user"], int(jump["port"]) if jump["port"] else None))
    return tuple(found)


@functools.lru_cache(4096)
def _parsed(name: str, given: tuple[tuple[str, str], ...]) -> SshArguments:
    values: dict[str, str] = {}
    for variable, text in given:
        where = f"cannot use the host {name}: its {variable}"
        if "{{" in text:
            raise invalid(f"{where} is a template, and inventories are not rendered", "write the value itself")
        for keyword, value in _options(text, where):
            if values.setdefault(keyword, value) != value:
                raise invalid(f"{where} has a second {_KEYWORDS[keyword]}, {value}", "keep one of them")
            _check(keyword, value, where)
    jumps, port, files = values.get("proxyjump"), values.get("port"), values.get("userknownhostsfile")
    return SshArguments(
        jumps=None if jumps is None else jumps_of(jumps),
        port=None if port is None else int(port),
        user=values.get("user"),
        key=values.get("identityfile"),
        known_hosts=None if files is None else tuple(files.split()) if files.lower() != "none" else (),
    )


def _options(text: str, where: str) -> Iterator[tuple[str, str]]:
    """The keywords, in lower case, with their values. Raises Problem(invalid) for what is not supported."""
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        raise invalid(f"{where} {text!r} cannot be read: {str(error).lower()}", "close the quotes") from error
    for word in words:
        letter = word[1:2]
        if not word.startswith("-") or letter not in {"o", *_LETTERS}:
            raise invalid(f"{where} has {word!r}, which the service does not support", _SUPPORTED)
        value = word[2:] or next(words, "")
        if not value:
            raise invalid(f"{where} has -{letter} without a value", _SUPPORTED)
        if letter != "o":
            yield _LETTERS[letter], value
            continue
        option = _OPTION.match(value)
        keyword = option["keyword"].lower() if option else ""
        if option is None or keyword not in {*_KEYWORDS, "proxycommand"}:
            raise invalid(f"{where} has -o {value!r}, which the service does not support", _SUPPORTED)
        if keyword == "proxycommand":
            raise _program(option["value"], where)
        yield keyword, option["value"].strip("\"'")


def _program(command: str, where: str) -> Problem:
    through = _THROUGH.match(command.strip("\"'")) if "-W" in command else None
    hint = (
        f"write -J {through['host']}" if through and _JUMP.match(through["host"]) else "write -J HOST for a jump host"
    )
    return invalid(
        f"{where} has ProxyCommand, which executes a program here that no policy decides about",
        hint,
    )


def _check(keyword: str, value: str, where: str) -> None:
    """Raise Problem(invalid) for a value that cannot be used."""
    match keyword:
        case "proxyjump":
            try:
                jumps_of(value)
            except ValueError as error:
                raise invalid(
                    f"{where} has ProxyJump {value!r}, in which {str(error)!r} is not a host",
                    "write [USER@]HOST[:PORT], and commas between several hosts",
                ) from error
        case "port" if not (value.isascii() and value.isdigit() and 0 < int(value) < 65_536):
            raise invalid(f"{where} has the port {value!r}", "it must be between 1 and 65535")
        case "stricthostkeychecking" if value.lower() not in _CHECKING:
            raise invalid(
                f"{where} has StrictHostKeyChecking={value}, with which any machine could answer for the host",
                "remove it, and trust the key of the host with `ftl2ctl hosts trust`",
            )
        case "identityfile" | "userknownhostsfile":
            for path in value.split() if keyword == "userknownhostsfile" else [value]:
                is_none = keyword == "userknownhostsfile" and value.lower() == "none"
                if not is_none and (not path.startswith(("/", "~/")) or "%" in path or "${" in path):
                    raise invalid(
                        f"{where} has {_KEYWORDS[keyword]} {path!r}, which is not a path from / or ~/",
                        "write the whole path, without % and variables",
                    )
        case _:
            pass
