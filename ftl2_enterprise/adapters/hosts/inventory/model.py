"""The hosts and groups that a loop manages."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.inventory import addresses, ssh_arguments
from ftl2_enterprise.adapters.hosts.inventory.ssh_names import SshNames, Way
from ftl2_enterprise.core.addresses import normal
from ftl2_enterprise.core.problem import Problem, conflict, invalid, not_found
from ftl2_enterprise.gate.effects import HostIdentity
from ftl2_enterprise.loops.ports import HostEntry
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALL = "all"
SSH_PORT = 22
KEY_VARIABLES = ("ansible_ssh_private_key_file", "ansible_private_key_file", "ssh_private_key_file")
"""Those that can name the private key of a host; the first one that is set counts."""
UNGROUPED = "ungrouped"


_LOCAL = HostEntry(name=LOCALHOST, vars={"ansible_connection": "local"})


class InventoryGroup:
    """A group with its own members and its child groups."""

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.members: dict[str, None] = {}
        self.children: dict[str, None] = {}
        self.vars: dict[str, Any] = {}
        self.priority: int = 1


class Inventory:
    """Hosts with the variables that they inherit, and groups that contain hosts and groups."""

    def __init__(self) -> None:
        self.groups: dict[str, InventoryGroup] = {}
        self.host_vars: dict[str, dict[str, Any]] = {}
        self._entries: dict[str, HostEntry] = {}
        self._registered: set[str] = set()
        """Names of hosts that were added after reading."""
        self._ssh: SshNames = SshNames()
        self._identities: dict[str, HostIdentity] = {}
        """Those that were found since hosts or the SSH configuration changed: each is compared with every host."""
        self._uses_ssh: bool = False
        """Whether there may be a host that is connected by SSH."""

    def group(self, name: str) -> InventoryGroup:
        """The group, created if it is new."""
        return self.groups.setdefault(name, InventoryGroup(name))

    def host(self, name: str) -> dict[str, Any]:
        """The host's own variables; a new host is created."""
        return self.host_vars.setdefault(name, {})

    def settle(self) -> Inventory:
        """Compute the variables that every host inherits; to be called after reading."""
        self._entries = {name: self._inherit(name) for name in self.host_vars}
        self._uses_ssh = not all(map(is_local, self._entries.values()))
        self._identities.clear()
        return self

    def hosts(self) -> list[HostEntry]:
        """Every host, in the order of the inventory."""
        return list(self._entries.values())

    def entry(self, name: str) -> HostEntry | None:
        """One host. The machine that the loop runs on always exists."""
        return self._entries.get(name) or (_LOCAL if name == LOCALHOST else None)

    def expand(self, target: str) -> list[str]:
        """The hosts of a host or group name, without repeats. Raises Problem(not_found) or Problem(invalid)."""
        if target in self._entries or (target == LOCALHOST and target not in self.groups):
            return [target]
        if target == ALL:
            # Without an inventory, `all` is the machine that the loop runs on.
            return list(self._entries) or [LOCALHOST]
        if target == UNGROUPED:
            found = [entry.name for entry in self._entries.values() if not entry.groups]
        elif target in self.groups:
            found = list(dict.fromkeys(name for name in self._below(target) if name in self._entries))
        else:
            nearest = difflib.get_close_matches(target, [*self._entries, *self.groups, ALL], n=1, cutoff=0.5)
            raise not_found(
                f"cannot find {target}: it is neither a host nor a group of the inventory",
                f"did you mean {nearest[0]}?" if nearest else "known: " + ", ".join(self._names(8)),
            )
        if not found:
            raise invalid(f"cannot use the group {target}: it has no hosts", "add hosts to it in the inventory")
        return found

    def groups_of(self, name: str) -> list[str]:
        """Every group that contains the host, directly or through others, except `all`."""
        found = self.entry(name)
        return [] if found is None else list(found.groups)

    def identity(self, name: str) -> HostIdentity:
        """Which host that is: its address, and everything that the inventory calls a host with the same address."""
        if self._uses_ssh:
            self._notice_ssh()
        known = self._identities.get(name)
        if known is None:
            entry = self.entry(name)
            if entry is None:
                return HostIdentity(name=name, connection="unknown")
            known = self._identities[name] = self._identify(entry, is_registered=name in self._registered)
        return known

    def identity_of(self, entry: HostEntry) -> HostIdentity:
        """Which host an entry would be if it were registered."""
        self._uses_ssh = True
        self._notice_ssh()
        return self._identify(entry, is_registered=True)

    def _notice_ssh(self) -> None:
        """Forget what followed from the SSH configuration, if it may be another one now."""
        if self._ssh.refresh():
            self._identities.clear()

    def _identify(self, entry: HostEntry, *, is_registered: bool) -> HostIdentity:
        """Which host an entry is: hosts are the same if their connections lead to the same place.

        Hosts of an inventory may differ by port only; what is registered later is the host of its address, whatever
        its port is.
        """
        connection, address, port = place = self._place(entry)
        same = [
            other
            for other in self._entries.values()
            if other.name != entry.name and _is_same(place, self._place(other), any_port=is_registered)
        ]
        way = None if is_local(entry) else self._way(entry)
        here = [(LOCALHOST, "local")] if _is_here(place) and entry.name != LOCALHOST else []
        others = [(other.name, *other.groups) for other in same]
        return HostIdentity(
            name=entry.name,
            connection=connection,
            address=address,
            port=port,
            names=entry.groups,
            others=tuple(dict.fromkeys([*others, *here])),
            aliases=addresses.of_this_machine() if _is_here(place) else (),
            is_registered=is_registered,
            way=() if way is None else way.shown,
        )

    def _way(self, entry: HostEntry) -> Way:
        """How a connection reaches the host. What cannot be used is a way, too: no connection is made by it."""
        name, port = entry.ansible_host or entry.name, entry.ansible_port or SSH_PORT
        try:
            jumps = ssh_arguments.arguments_of(entry.name, entry.vars).jumps
            return self._ssh.way(name, entry.ansible_user or "", port, jumps)
        except (Problem, ValueError) as error:
            return Way(name, shown=(str(error),))

    def _place(self, entry: HostEntry) -> _Place:
        if is_local(entry):
            return "local", "", 0
        name, port = entry.ansible_host or entry.name, entry.ansible_port or SSH_PORT
        address = normal(self._ssh.address(name, entry.ansible_user or "", port))
        if addresses.is_loopback(address):
            # Seen from the last jump host, if there is one.
            address = normal(self._way(entry).last) or address
        return "ssh", address, port

    def add(self, entry: HostEntry) -> None:
        """Register a host, or replace one that was registered; new groups are created.

        Raises Problem(conflict): a host of the inventory keeps its address and groups, and a group its name.
        """
        known = self._entries.get(entry.name)
        if known is not None and entry.name not in self._registered:
            if _changes(known, entry):
                raise conflict(
                    f"cannot register the host {entry.name}: the inventory lists it, with its address and groups",
                    "give the new host another name",
                )
            return
        if entry.name in self.groups:
            raise conflict(f"cannot register the host {entry.name}: the inventory has a group of that name")
        self._forget(entry.name)
        self._registered.add(entry.name)
        self.host_vars[entry.name] = dict(entry.vars)
        for name in entry.groups:
            self.group(name).members[entry.name] = None
        self._uses_ssh = True
        inherited = self._inherit(entry.name)
        self._entries[entry.name] = HostEntry(
            name=entry.name,
            ansible_host=entry.ansible_host or inherited.ansible_host,
            ansible_port=entry.ansible_port or inherited.ansible_port,
            ansible_user=entry.ansible_user or inherited.ansible_user,
            groups=inherited.groups,
            vars=inherited.vars,
        )
        self._identities.clear()

    def remove(self, name: str) -> None:
        """Unregister a host; unknown names are ignored. Raises Problem(conflict) for a host of the inventory."""
        if name in self._entries and name not in self._registered:
            raise conflict(f"cannot remove the host {name}: the inventory lists it", "remove it from the inventory")
        self._forget(name)

    def _forget(self, name: str) -> None:
        self.host_vars.pop(name, None)
        self._entries.pop(name, None)
        self._registered.discard(name)
        self._identities.clear()
        for group in self.groups.values():
            group.members.pop(name, None)

    def parents(self, name: str) -> list[str]:
        """The groups that have the group as a child."""
        return [group.name for group in self.groups.values() if name in group.children]

    def find_cycle(self) -> str | None:
        """A group that contains itself, if there is one."""
        for name, group in self.groups.items():
            if any(name in self._descend(child) for child in group.children):
                return name
        return None

    def _names(self, limit: int) -> list[str]:
        known = [*self._entries, *self.groups] or [LOCALHOST]
        return [*known[:limit], *(["..."] if len(known) > limit else [])]

    def _descend(self, name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        if name in seen:
            return seen
        seen |= {name}
        for child in self.groups[name].children if name in self.groups else ():
            seen = self._descend(child, seen)
        return seen

    def _below(self, name: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        group = self.groups.get(name)
        if group is None or name in seen:
            return
        yield from group.members
        for child in group.children:
            yield from self._below(child, seen | {name})

    def _inherit(self, name: str) -> HostEntry:
        depths = self._depths(name)
        merged: dict[str, Any] = dict(self.groups[ALL].vars) if ALL in self.groups else {}
        # Ansible's precedence, lowest first: `all`, outer groups, inner groups, each by name, then the host itself.
        order = sorted((g for g in depths if g != ALL), key=lambda g: (depths[g], self.groups[g].priority, g))
        for group in order:
            merged.update(self.groups[group].vars)
        merged.update(self.host_vars[name])
        given = tuple(g for g in self.groups if g in depths and g not in {ALL, UNGROUPED})
        return entry_of(name, merged, given)

    def _depths(self, name: str) -> dict[str, int]:
        direct = [group.name for group in self.groups.values() if name in group.members]
        found: dict[str, int] = {}
        queue = list(direct)
        while queue:
            group = queue.pop()
            if group in found:
                continue
            found[group] = self._depth(group)
            queue += self.parents(group)
        return found

    def _depth(self, name: str, seen: frozenset[str] = frozenset()) -> int:
        above = [self._depth(p, seen | {name}) for p in self.parents(name) if p not in seen and p != name]
        return 1 + max(above, default=0)


def is_local(entry: HostEntry) -> bool:
    """Whether calls for the host run on this machine."""
    return _is_connected_locally(entry.name, entry.vars)


def _is_connected_locally(name: str, variables: Mapping[str, Any]) -> bool:
    connection = variables.get("ansible_connection")
    return connection == "local" or (connection is None and name == LOCALHOST)


def _changes(known: HostEntry, entry: HostEntry) -> bool:
    """Whether the entry would give the known host another address, user or group, or variables."""
    address = normal(entry.ansible_host or "") not in {
        "",
        normal(known.ansible_host or known.name),
    }
    port = entry.ansible_port not in {None, known.ansible_port or SSH_PORT}
    groups = not set(entry.groups) <= set(known.groups)
    variables = any(known.vars.get(key) != value for key, value in entry.vars.items())
    return address or port or groups or variables


type _Place = tuple[str, str, int]
"""Connection, address and port."""


def _is_here(place: _Place) -> bool:
    """Whether it leads to this machine."""
    connection, address, _ = place
    return connection == "local" or addresses.leads_here(address)


def _is_same(one: _Place, other: _Place, *, any_port: bool) -> bool:
    if _is_here(one) or _is_here(other):
        return _is_here(one) and _is_here(other)
    return one[1] == other[1] and (any_port or one[2] == other[2])


def entry_of(name: str, variables: Mapping[str, Any], groups: tuple[str, ...]) -> HostEntry:
    """A host from its merged variables.

    Raises Problem(invalid) for an invalid port, and for arguments of ssh that are not supported.
    """

    def first(*keys: str) -> Any:
        return next((variables[key] for key in keys if variables.get(key) not in (None, "")), None)

    port = first("ansible_port", "ansible_ssh_port")
    if port is not None and not (str(port).isdigit() and 0 < int(port) < 65536):
        raise invalid(f"cannot use the host {name}: its ansible_port {port!r} is not a port")
    address, user = first("ansible_host", "ansible_ssh_host"), first("ansible_user", "ansible_ssh_user")
    for key, value in (("ansible_host", address), ("ansible_user", user)):
        if "{{" in str(value):
            raise invalid(f"cannot use the host {name}: its {key} is a template, and inventories are not rendered")
    if not _is_connected_locally(name, variables):
        arguments = ssh_arguments.arguments_of(name, variables)
        port, user = port or arguments.port, user or arguments.user
        _refuse_two("port", arguments.port, "ansible_port", None if port is None else int(port), name)
        _refuse_two("user", arguments.user, "ansible_user", user, name)
        variable = next((one for one in KEY_VARIABLES if variables.get(one)), KEY_VARIABLES[0])
        _refuse_two("key", arguments.key, variable, variables.get(variable) or arguments.key, name)
    return HostEntry(
        name=name, ansible_host=None if address is None else str(address),
        ansible_port=None if port is None else int(port), ansible_user=None if user is None else str(user),
        groups=groups, vars=dict(variables),
    )  # fmt: skip


def _refuse_two(what: str, of_arguments: object, variable: str, of_variable: object, name: str) -> None:
    """Raise Problem(invalid) if the arguments of ssh and a variable have two values for the same thing."""
    if of_arguments is not None and str(of_arguments) != str(of_variable):
        raise invalid(
            f"cannot use the host {name}: its arguments of ssh have the {what} {of_arguments},"
            f" and its {variable} is {of_variable}",
            "keep one of them",
        )
