"""`hosts trust`: record the SSH keys of a host, so that loops can connect to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Argument, Command, Example, Option, ValueKind, not_empty
from ftl2_enterprise.commandline.loops import options, sent_files
from ftl2_enterprise.core.problem import conflict, invalid
from ftl2_enterprise.ctl.loops.arguments import HOSTS
from ftl2_enterprise.ctl.program import NOT_CONFIRMED, REFUSED_STATUS
from ftl2_enterprise.protocol.loops.host_keys import check_fingerprint, check_host, known_with_another_key, place
from ftl2_enterprise.protocol.loops.verbs import FindHostKeys, TrustHost
from ftl2_enterprise.render.loops.host_keys import presented_lines, result_lines
from ftl2_enterprise.render.text import count, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.host_keys import HostKey
    from ftl2_enterprise.protocol.loops.hosts import HostKeys

HOST = Argument(
    "host", ValueKind(name="host", check=not_empty), "Name or address, `[ADDRESS]:PORT`, or with -i a name of FILE."
)
_WITH_PORT = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>\d{1,5}))?\Z")
INVENTORY = Option(
    "inventory", "Inventory that has the host; its address and port are used.", options.inventory("").kind,
    short="i", value="FILE",
)  # fmt: skip
PORT = Option("port", "Port of sshd.", NUMBER, short="p", at_least=1, at_most=65_535, default="22")
FINGERPRINT = Option(
    "fingerprint",
    "Record the key that has this fingerprint, without a question.",
    ValueKind(name="fingerprint", check=check_fingerprint),
    value="SHA256:...",
    many=True,
)


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the keys, and record them after confirmation."""
    fingerprints = given.many("fingerprint")
    asker = None if fingerprints or session.wants_json else session.asker
    if asker is None and not fingerprints:
        raise invalid(
            "cannot trust a host without confirmation: there is no terminal to ask on",
            "give the fingerprint of its key as --fingerprint; `ssh-keygen -lf` prints it on that host",
        )
    known = session.call(_question(given))
    # The service may end while the host is slow to answer, or the user compares the keys.
    session.close()
    from ftl2_enterprise.ctl.loops import host_key_scan  # noqa: PLC0415 - it imports asyncssh, which takes long

    presented = host_key_scan.presented_keys(known.host, known.port)
    keys = _selected(known, presented, fingerprints) if fingerprints else presented
    _refuse_changed(known, keys, replace=given.has("replace"))
    if asker is not None:
        session.print(presented_lines(known, keys))
        of_each = [[old.fingerprint for old in known.keys if old.type == key.type] for key in keys]
        changed = [key for key, old in zip(keys, of_each, strict=True) if _changes(key, old, given)]
        question = f"record {count(len(changed), 'key')} in {known.file} (yes only if the fingerprints match)?"
        if changed and not asker.confirms(question):
            session.print(line("nothing was recorded"))
            return NOT_CONFIRMED
    result = session.call(
        TrustHost(host=known.host, port=known.port, keys=[key.text for key in keys], replace=given.has("replace"))
    )
    session.reply(result, lambda: result_lines(result))
    return 0


def _changes(key: HostKey, recorded: list[str], given: GivenValues) -> bool:
    """Whether the file becomes another one: it has no such key, or also others of this type, which are replaced."""
    return key.fingerprint not in recorded or (given.has("replace") and len(recorded) > 1)


def _question(given: GivenValues) -> FindHostKeys:
    """The request for the address and the recorded keys. Raises Problem(invalid)."""
    host, port, inventory = given.text("host"), given.maybe_number("port"), options.absolute(given, "inventory")
    written = _WITH_PORT.match(host)
    if written is not None:
        host = written["host"]
        if written["port"] is not None:
            if port is not None:
                raise invalid("cannot use two ports", "write the port after the address, or as --port")
            port = int(written["port"])
    if inventory is not None and port is not None:
        raise invalid("cannot use a port with --inventory", "the inventory has the port of the host")
    if port is not None and not 1 <= port <= 65_535:
        raise invalid(f"cannot use {port} as a port", "it must be between 1 and 65535")
    if inventory is None:
        check_host(host)
    return FindHostKeys(host=host, port=port, inventory=inventory, files=sent_files.files(inventory))


def _selected(known: HostKeys, presented: Sequence[HostKey], fingerprints: Sequence[str]) -> list[HostKey]:
    """The presented keys with these fingerprints. Raises Problem if one of them is not presented."""
    found = {key.fingerprint: key for key in presented}
    for fingerprint in fingerprints:
        if fingerprint not in found:
            there = ", ".join(f"{key.type} {key.fingerprint}" for key in presented)
            raise conflict(
                f"cannot trust {place(known.host, known.port)}: no key that it presents has the fingerprint"
                f" {fingerprint}",
                f"it presents {there}; another machine may answer at this address",
            )
    return [found[fingerprint] for fingerprint in dict.fromkeys(fingerprints)]


def _refuse_changed(known: HostKeys, keys: Sequence[HostKey], *, replace: bool) -> None:
    """Before the question: the service would refuse it after a yes."""
    recorded = {key.fingerprint for key in known.keys}
    for key in keys:
        others = [old for old in known.keys if old.type == key.type]
        if others and not replace and key.fingerprint not in recorded:
            raise known_with_another_key(known.host, known.port, key, others[0], known.file)


COMMAND = Command(
    summary="Record the SSH keys of a host as trusted, so that loops can connect to it.",
    group=HOSTS,
    run=run,
    verbs=(TrustHost, FindHostKeys),
    arguments=(HOST,),
    options=(
        INVENTORY,
        PORT,
        FINGERPRINT,
        Option("replace", "Replace other keys of the same types that are recorded for this host and port."),
    ),
    details=(
        "It fetches the keys that the host presents, shows their fingerprints, and asks. Compare the fingerprints on "
        "that host before you confirm: otherwise any machine that answers at the address is trusted. The keys are "
        "recorded in ~/.ssh/known_hosts of the service's user; the event log has who trusted which key. Keys count"
        " for the name or address and the port that the inventory has, which -i reads."
    ),
    examples=(
        Example("hosts trust web1.example.com"),
        Example("hosts trust 10.0.0.5 --port 2222", "another port"),
        Example("hosts trust web1 -i /etc/ftl2-enterprise/hosts.yaml", "the address and port of the inventory"),
        Example("hosts trust web1 --fingerprint SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d/wXE", "in a script"),
    ),
    statuses=(
        REFUSED_STATUS,
        "69: the host does not answer or presents no key; or the service is unreachable",
        "75: the host is known with another key, presents no key with the fingerprint, or its file cannot be changed",
    ),
)
