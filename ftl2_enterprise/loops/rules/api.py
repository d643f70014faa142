"""The argument `ftl` of a rule's action: module calls in the syntax of ftl2, executed by the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, override

from ftl2_enterprise.protocol.loops.decision import StateOp
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from ftl2_enterprise.loops.ports import ModuleResult

type Perform = Callable[[str, dict[str, Any], str | None], Awaitable[Sequence[tuple[str, dict[str, Any]]]]]
"""Runs a module on a host or group; the engine applies policy, records the calls and returns a result per host, as
`shown` returns it."""

type Apply = Callable[[StateOp], None]
"""Applies a state operation immediately."""

type _Caller = Callable[[str, dict[str, Any], str | None], Awaitable[Any]]

STATE = "_state_file"


class RuleApi:
    """What a rule's action may do. Every call is executed by `perform`.

    `ftl.shell(cmd=...)` runs on the machine of the loop, `ftl["web01"].service(...)` or `ftl.web01.service(...)` on a
    host or group, `ftl.community.general.x(...)` is a module of a collection. A call returns the result as a dict, on
    a group a list of them; a failed module raises nothing: see `ftl.failed` and `ftl.errors`.
    """

    def __init__(
        self,
        perform: Perform,
        *,
        state: Mapping[str, Any] | None = None,
        targets: Sequence[str] = (),
        apply: Apply | None = None,
    ) -> None:
        self._perform = perform
        self._apply = apply
        self._targets = frozenset(targets)
        # Calls of one rule run one after the other, even under asyncio.gather: their order is recorded.
        self._turn = asyncio.Lock()
        self.results: list[dict[str, Any]] = []
        """Every result so far, oldest first."""
        self.state_ops: list[StateOp] = []
        """Every state operation so far, oldest first."""
        self.state: RuleState = RuleState(state or {}, self._change)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The results of failed calls."""
        return [result for result in self.results if result["failed"]]

    @property
    def error_messages(self) -> list[str]:
        """One line for each failed call."""
        return [f"{result['module']} on {result['host']}: {result['error']}" for result in self.errors]

    @property
    def failed(self) -> bool:
        """Whether any call failed."""
        return bool(self.errors)

    @property
    def hosts(self) -> list[str]:
        """Names of the hosts and groups that can be called, including those that the loop has registered."""
        return sorted({*self._targets, *self.state.hosts()})

    @property
    def local(self) -> _RuleCall:
        """The machine that the loop runs on."""
        return _RuleCall(self._call, (), LOCALHOST)

    def __getitem__(self, target: str) -> _RuleCall:
        return _RuleCall(self._call, (), LOCALHOST if target == "local" else target)

    def __getattr__(self, name: str) -> _RuleCall:
        _refuse_private(name)
        # A host has precedence over a module of the same name; hosts named like a module are unlikely.
        return self[name] if name in self.hosts else _RuleCall(self._call, (name,), None)

    async def run_on(self, target: str | Sequence[str], module: str, **params: Any) -> Any:
        """Run a module on a host or group, or on several of them one after the other."""
        if isinstance(target, str):
            return await self._call(module, params, target)
        results: list[Any] = []
        for one in target:
            result = await self._call(module, params, one)
            results += cast("list[Any]", result) if isinstance(result, list) else [result]
        return results

    def add_host(
        self,
        hostname: str,
        ansible_host: str | None = None,
        ansible_user: str | None = None,
        ansible_port: int | None = None,
        groups: Sequence[str] = (),
        **variables: Any,
    ) -> None:
        """Register a host."""
        self._change(
            StateOp(
                op="add_host",
                name=hostname,
                ansible_host=ansible_host,
                ansible_user=ansible_user,
                ansible_port=ansible_port,
                groups=list(groups),
                data=variables,
            )
        )

    @override
    def __repr__(self) -> str:
        return "<ftl>"

    def _change(self, op: StateOp) -> None:
        self.state_ops.append(op)
        self.state.note(op)
        if self._apply is not None:
            self._apply(op)

    async def _call(self, module: str, params: dict[str, Any], target: str | None) -> Any:
        async with self._turn:
            pairs = await self._perform(module, params, target)
        results = [result for _, result in pairs]
        self.results += results
        # A group returns a list even if it has one host only: a rule must not break when a second one is added.
        single = len(pairs) == 1 and target in {None, pairs[0][0], "local"}
        return results[0] if single else results


class _RuleCall:
    """A target and a partial or complete module name, callable once the name is complete."""

    def __init__(self, call: _Caller, path: tuple[str, ...], target: str | None) -> None:
        self._call = call
        self._path = path
        self._target = target

    def __getattr__(self, name: str) -> _RuleCall:
        _refuse_private(name)
        return _RuleCall(self._call, (*self._path, name), self._target)

    async def __call__(self, **params: Any) -> Any:
        if not self._path:
            raise TypeError("cannot call a host; name a module: ftl[host].shell(cmd=...)")
        return await self._call(".".join(self._path), params, self._target)

    @override
    def __repr__(self) -> str:
        return f"<ftl {'.'.join(self._path)} on {self._target or LOCALHOST}>"


class RuleState:
    """The registered hosts and resources of the loop, as a rule reads and changes them."""

    def __init__(self, state: Mapping[str, Any], change: Callable[[StateOp], None]) -> None:
        known = cast("Mapping[str, Mapping[str, Any]]", state.get(STATE, state))
        self._hosts: dict[str, Any] = dict(known.get("hosts", {}))
        self._resources: dict[str, Any] = dict(known.get("resources", {}))
        self._change = change

    def hosts(self) -> list[str]:
        """Names of the registered hosts."""
        return list(self._hosts)

    def resources(self, provider: str | None = None) -> dict[str, Any]:
        """Resources by name, of one provider if given."""
        return {name: data for name, data in self._resources.items() if provider in {None, _provider(data)}}

    def get_host(self, name: str) -> Any:
        """The entry of a host, or None."""
        return self._hosts.get(name)

    def has_host(self, name: str) -> bool:
        """Whether the host is registered."""
        return name in self._hosts

    def get(self, name: str, default: Any = None) -> Any:
        """The entry of a resource or host, or the default."""
        return self._resources.get(name, self._hosts.get(name, default))

    def has(self, name: str) -> bool:
        """Whether a resource or host of that name is registered."""
        return name in self._resources or name in self._hosts

    def add_host(self, name: str, **entry: Any) -> None:
        """Register a host: ansible_host, ansible_user, ansible_port, groups."""
        fields = {key: entry.pop(key) for key in ("ansible_host", "ansible_user", "ansible_port") if key in entry}
        groups: list[str] = list(entry.pop("groups", None) or ())
        self._change(StateOp(op="add_host", name=name, groups=groups, data=entry, **fields))

    def add_resource(self, name: str, data: Mapping[str, Any]) -> None:
        """Register a resource."""
        self._change(StateOp(op="add_resource", name=name, data=dict(data)))

    def update_resource(self, name: str, data: Mapping[str, Any]) -> None:
        """Merge data into a resource."""
        self.add_resource(name, {**self._resources.get(name, {}), **data})

    add = add_resource

    def remove(self, name: str) -> None:
        """Unregister a host or resource."""
        self._change(StateOp(op="remove", name=name))

    def note(self, op: StateOp) -> None:
        """Apply the operation to what this object returns from now on."""
        match op.op:
            case "add_host":
                address = {"ansible_host": op.ansible_host, "ansible_user": op.ansible_user, "groups": op.groups}
                self._hosts[op.name] = {**self._hosts.get(op.name, {}), **address, "ansible_port": op.ansible_port}
            case "add_resource":
                self._resources[op.name] = op.data
            case _:
                self._hosts.pop(op.name, None)
                self._resources.pop(op.name, None)


def shown(module: str, host: str, result: ModuleResult) -> dict[str, Any]:
    """A result in the form that rules receive: the module's output, overridden by the fields of the call."""
    return {
        **result.output,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "rc": result.rc,
        "changed": result.changed,
        "failed": not result.success,
        "success": result.success,
        "error": result.error,
        "module": module,
        "host": host,
    }


def _provider(data: Any) -> Any:
    return cast("Mapping[str, Any]", data).get("provider") if isinstance(data, Mapping) else None


def _refuse_private(name: str) -> None:
    # Python looks up private attributes by protocol (for example in copy and pickle); they are not modules.
    if name.startswith("_"):
        raise AttributeError(name)
