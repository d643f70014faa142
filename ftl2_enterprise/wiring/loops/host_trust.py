"""Keys of SSH hosts: which are recorded in `known_hosts`, and recording others.

The event is committed first, when the new file is complete and on the disk; then the file gets its name. A process
that is killed in between leaves an event without its key, and the host is refused as before until the request is
repeated. A key without an event is impossible.
"""

from __future__ import annotations

import asyncio
from getpass import getuser
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.adapters.hosts.inventory.model import is_local
from ftl2_enterprise.adapters.hosts.inventory.ssh_names import SshNames
from ftl2_enterprise.adapters.hosts.ssh import connecting, known_hosts
from ftl2_enterprise.adapters.hosts.ssh.known_hosts_file import KnownHostsFile
from ftl2_enterprise.core.problem import invalid, not_found, unavailable
from ftl2_enterprise.loops.ports import HostEntry
from ftl2_enterprise.loops.units.hosts import record_trust
from ftl2_enterprise.protocol.loops.facts import HostTrusted
from ftl2_enterprise.protocol.loops.host_keys import check_host, parse_keys
from ftl2_enterprise.protocol.loops.hosts import SSH_PORT, HostKeys, TrustResult
from ftl2_enterprise.protocol.loops.verbs import FindHostKeys, TrustHost
from ftl2_enterprise.wiring.loops import sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.source_files import SourceFiles
    from ftl2_enterprise.supervisor.control.access import Peer
    from ftl2_enterprise.supervisor.control.dispatch import System
    from ftl2_enterprise.supervisor.control.service_state import ServiceState

RECORD_WITHIN = 30.0
"""Seconds for which a request waits until its events are committed."""
MOST_NAMED = 5
"""Hosts that a hint names."""


def find(request: FindHostKeys) -> HostKeys:
    """The address of the host, and its recorded keys. Raises Problem."""
    entry = HostEntry(name=request.host, ansible_port=request.port)
    if request.inventory is not None:
        if request.port is not None:
            raise invalid("cannot use a port with an inventory", "the inventory has the port of the host")
        entry = _entry(request.host, request.inventory, sources.sent(request.files))
    check_host(entry.ansible_host or entry.name)
    file = KnownHostsFile()
    host, port = _reached(entry, file.path), entry.ansible_port or SSH_PORT
    check_host(host)
    # Names of hosts do not differ by case, and ssh(1) searches for them in lower case.
    host = host.lower()
    return HostKeys(host=host, port=port, file=file.path, keys=known_hosts.recorded_keys(file.read(), host, port))


def _entry(name: str, path: str, files: SourceFiles) -> HostEntry:
    inventory = inventory_files.load(path, files)
    entry = inventory.entry(name)
    # In inventories, names differ by case; of hosts, they do not.
    same = [one for one in inventory.hosts() if one.name.lower() == name.lower()] if entry is None else []
    if len(same) == 1:
        (entry,) = same
    if entry is None:
        if name in inventory.groups:
            some = ", ".join(inventory.expand(name)[:MOST_NAMED])
            raise invalid(f"cannot trust {name}: it is a group in {path}", f"name one of its hosts, such as {some}")
        some = ", ".join(one.name for one in inventory.hosts()[:MOST_NAMED])
        raise not_found(
            f"cannot find the host {name}: it is not in the inventory {path}",
            f"it has {some}" if some else "it has no hosts",
        )
    if is_local(entry):
        raise invalid(
            f"cannot trust {name}: loops do not use SSH for this machine", "it needs no key: submit the desired state"
        )
    return entry


def _reached(entry: HostEntry, file: str) -> str:
    """The address of the host, if it is reached directly and its key is looked up in this file. Raises Problem."""
    names = SshNames()
    names.refresh()
    try:
        route = connecting.route_of(entry, names, in_service=True)
    except ValueError as error:
        raise invalid(f"cannot trust {entry.name}: {error}", "correct that file of the service's user") from error
    if route.known_hosts is not None:
        files = " and ".join(route.known_hosts) or "no file"
        raise invalid(
            f"cannot trust {entry.name}: its key is looked up in {files}, as its UserKnownHostsFile requests",
            "add the key to that file, or remove UserKnownHostsFile from the inventory",
        )
    if route.way.shown:
        through = ",".join(jump.text for jump in route.way.jumps)
        user, port = entry.ansible_user, entry.ansible_port or SSH_PORT
        command = connecting.ssh_command(through, entry.ansible_host or entry.name, port, user)
        raise invalid(
            f"cannot fetch the keys of {entry.name}: it is reached through {through or 'a ProxyCommand'}",
            f"`{command}` as {getuser()} shows its key and records it in {file}",
        )
    return route.way.address


def trust(request: TrustHost, record: Callable[[list[HostTrusted]], None]) -> TrustResult:
    """Record the keys of the request. `record` commits the events. Raises Problem; then the file is as before."""
    file, keys, host = KnownHostsFile(), parse_keys(request.keys), request.host.lower()
    result = TrustResult(host=host, port=request.port, file=file.path)

    def edit(content: bytes) -> bytes:
        nonlocal result
        edited, result = known_hosts.with_keys(
            content, host, request.port, keys, replace=request.replace, file=file.path
        )
        return edited

    file.change(edit, lambda: record(_facts(result)))
    return result


def _facts(result: TrustResult) -> list[HostTrusted]:
    """One for each key that is new, or whose other keys are removed."""
    return [
        HostTrusted(
            host=result.host, port=result.port, key_type=key.type, fingerprint=key.fingerprint, replaced=replaced
        )
        for key in (*result.recorded, *result.unchanged)
        if (replaced := [old.fingerprint for old in result.replaced if old.type == key.type])
        or key in result.recorded
    ]


async def trust_host(state: ServiceState, request: TrustHost, peer: Peer) -> TrustResult:
    """Record the keys, and who trusts them."""
    running = asyncio.get_running_loop()

    def record(facts: list[HostTrusted]) -> None:
        work = state.writer.execute([record_trust.call(facts)], actor=peer.actor)
        committing = asyncio.run_coroutine_threadsafe(work, running)
        try:
            committing.result(RECORD_WITHIN)
        except TimeoutError as error:
            committing.cancel()
            raise unavailable(
                "cannot record the keys: the database does not respond", "`ftl2ctl health` shows why"
            ) from error

    # In a thread, which goes to its end even if the client does not wait for it.
    return await asyncio.to_thread(trust, request, record)


SYSTEM: dict[type[Any], System] = {TrustHost: trust_host}
"""The handler that needs a file and the writer."""
