"""Keys of SSH hosts: which are recorded in `known_hosts`, and recording others.

The event is committed first, when the new file is complete and on the disk; then the file gets its name. A process
that is killed in between leaves an event without its key, and the host is refused as before until the request is
repeated. A key without an event is impossible.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.adapters.hosts.inventory.model import is_local
from ftl2_enterprise.adapters.hosts.ssh import known_hosts
from ftl2_enterprise.adapters.hosts.ssh.known_hosts_file import KnownHostsFile
from ftl2_enterprise.core.problem import invalid, not_found, unavailable
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
"""Hosts of a group that a hint names."""


def find(request: FindHostKeys) -> HostKeys:
    """The address of the host, and its recorded keys. Raises Problem."""
    host, port = request.host, request.port or SSH_PORT
    if request.inventory is not None:
        if request.port is not None:
            raise invalid("cannot take a port with an inventory", "the inventory has the port of the host")
        host, port = _address(request.host, request.inventory, sources.sent(request.files))
    check_host(host)
    file = KnownHostsFile()
    return HostKeys(host=host, port=port, file=file.path, keys=known_hosts.recorded_keys(file.read(), host, port))


def _address(name: str, path: str, files: SourceFiles) -> tuple[str, int]:
    inventory = inventory_files.load(path, files)
    entry = inventory.entry(name)
    if entry is None:
        if name in inventory.groups:
            some = ", ".join(inventory.expand(name)[:MOST_NAMED])
            raise invalid(f"cannot trust {name}: it is a group in {path}", f"name one of its hosts, such as {some}")
        raise not_found(f"cannot find the host {name}: it is not in the inventory {path}")
    if is_local(entry):
        raise invalid(f"cannot trust {name}: loops do not use SSH for this machine")
    return entry.ansible_host or entry.name, entry.ansible_port or SSH_PORT


def trust(request: TrustHost, record: Callable[[list[HostTrusted]], None]) -> TrustResult:
    """Record the keys of the request. `record` commits the events. Raises Problem; then the file is as before."""
    file, keys = KnownHostsFile(), parse_keys(request.keys)
    result = TrustResult(host=request.host, port=request.port, file=file.path)

    def edit(content: bytes) -> bytes:
        nonlocal result
        edited, result = known_hosts.with_keys(
            content, request.host, request.port, keys, replace=request.replace, file=file.path
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
