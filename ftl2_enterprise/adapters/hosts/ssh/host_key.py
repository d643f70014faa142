"""Decides whether the key that an SSH host presents is trusted, by the files that ssh(1) would read.

A key counts for the name of the host alone. FTL2's library accepts a key of the address to which the name leads, too:
with it, any machine with a recorded key could answer for all others.
"""

from __future__ import annotations

import os
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ftl2_enterprise.adapters.hosts.ssh import known_hosts
from ftl2_enterprise.adapters.hosts.ssh.known_hosts_file import LARGEST
from ftl2_enterprise.protocol.loops.host_keys import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULT_FILE = "~/.ssh/known_hosts"
_REVOKED = "revoked"
_AUTHORITY = "CA key"
"""What the reasons of the library contain."""


class Remedy(NamedTuple):
    """What a person can do, as ends of a sentence."""

    record: str
    replace: str


class HostKeyCheck:
    """The decision for one connection. The files are read once, when it is made."""

    def __init__(self, library: Any, host: str, port: int, files: Sequence[str]) -> None:
        """`host` is the name that the files have, which may be an alias; `files` are their paths."""
        self._library: Any = library
        self._host: str = host
        self._port: int = port
        self._contents: dict[str, bytes] = {file: _read(file) for file in files}
        self._found: dict[str, known_hosts.KeysOfHost] = {
            file: known_hosts.keys_of_host(content, host, port) for file, content in self._contents.items()
        }
        self._presented: str | None = None
        """The type of the key that was not accepted."""

    def settings(self, *, chooses_algorithms: bool) -> dict[str, Any]:
        """The keywords with which the library connects and decides so."""
        algorithms = {"server_host_key_algs": self._algorithms()} if chooses_algorithms else {}
        return {"known_hosts": self._decide, "client_factory": self._client(), **algorithms}

    def refusal(self, reason: str, remedy: Remedy) -> str:
        """Why the key was not accepted, as the end of a sentence. `reason` is that of the library."""
        files = " or ".join(map(_shown, self._contents)) or "any file"
        if _REVOKED in reason:
            return f"its host key is revoked in {files}: the host needs a new key"
        recorded = {file: found.keys for file, found in self._found.items() if found.keys}
        if _AUTHORITY in reason or (not recorded and any(found.authorities for found in self._found.values())):
            return (
                f"its host key is not certified for {place(self._host, self._port)} by an authority in {files}:"
                f" {remedy.record}"
            )
        if not recorded:
            return f"its host key is not in {files}; {remedy.record}"
        same_type = {
            file: same
            for file, lines in recorded.items()
            if (same := [line for line in lines if self._presented in {None, line.key.type}])
        }
        if same_type:
            return (
                f"its host key is not the one that is recorded in {_with_lines(same_type)}: another machine may"
                f" answer; if the host has a new key, {remedy.replace}"
            )
        types = " and ".join(dict.fromkeys(line.key.type for lines in recorded.values() for line in lines))
        return (
            f"its {self._presented} host key is not recorded, only its {types} key in {_with_lines(recorded)}:"
            f" another machine may answer; if the host has a new key, {remedy.record}"
        )

    def _decide(self, _host: str, address: str, _port: int | None) -> tuple[list[Any], list[Any], list[Any]]:
        """The trusted keys, the trusted authorities, and what is revoked: for the address, too."""
        revoked = [line for found in self._found.values() for line in found.revoked]
        for content in self._contents.values() if address else ():
            revoked += known_hosts.keys_of_host(content, address, self._port).revoked
        return (
            self._imported(line for found in self._found.values() for line in found.keys),
            self._imported(line for found in self._found.values() for line in found.authorities),
            self._imported(revoked),
        )

    def _imported(self, lines: Iterable[known_hosts.LineAboutHost]) -> list[Any]:
        """The keys in the form of the library, without those that it does not accept as keys."""
        found: list[Any] = []
        for line in lines:
            try:
                found.append(self._library.import_public_key(line.key.text))
            except ValueError:
                continue
        return found

    def _algorithms(self) -> list[str]:
        """What to ask the host for: the types that are recorded, then the others.

        With the recorded ones alone, as the library asks, a host that has only others ends the connection.
        """
        public: Any = self._library.public_key
        keys, authorities, _ = self._decide("", "", None)
        certificates: list[bytes] = public.get_default_certificate_algs() if authorities else []
        recorded: list[bytes] = [name for key in keys for name in key.sig_algorithms]
        names = dict.fromkeys((*certificates, *recorded, *public.get_default_public_key_algs()))
        return [name.decode() for name in names]

    def _client(self) -> Any:
        check = self

        class Client(self._library.SSHClient):
            """Notes the type of a key that is not trusted."""

            def validate_host_public_key(self, _host: str, _address: str, _port: int, key: Any) -> bool:
                check._presented = str(key.get_algorithm())
                return False

        return Client


def _read(file: str) -> bytes:
    """The content; empty if it cannot be read, as for ssh(1)."""
    try:
        opened = os.open(Path(file).expanduser(), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError):
        return b""
    with os.fdopen(opened, "rb") as found:
        try:
            return found.read(LARGEST) or b""
        except OSError:
            return b""


def _shown(file: str) -> str:
    return f"{file} of {getuser()}" if file.startswith("~") else file


def _with_lines(found: dict[str, list[known_hosts.LineAboutHost]]) -> str:
    return " and ".join(
        f"{_shown(file)} (line {', '.join(str(line.at + 1) for line in lines)})" for file, lines in found.items()
    )
