"""Runs FTL2's modules for the engine: locally in a helper process, on SSH hosts through FTL2's gate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from ftl2_enterprise.adapters.hosts import call_plan, call_result, hidden_places, module_catalogue
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory, is_local
from ftl2_enterprise.adapters.hosts.inventory.ssh_arguments import arguments_of
from ftl2_enterprise.adapters.hosts.last_check import NoLongerAllowed
from ftl2_enterprise.adapters.hosts.local.calls import HelperDied, LocalCalls
from ftl2_enterprise.adapters.hosts.remote import bundles, diffs
from ftl2_enterprise.adapters.hosts.ssh import ftl2_context
from ftl2_enterprise.adapters.hosts.ssh.calls import HostUnreachable, SshCalls
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.gate.modules import canonical, find
from ftl2_enterprise.loops.ports import RESOLVE_PATHS, HostEntry, ModuleCall, ModuleResult
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.adapters.hosts.module_catalogue import CatalogueModule
    from ftl2_enterprise.gate.effects import HostIdentity

MIB = 1 << 20
FILE_LIMIT = 64 * MIB
"""Limit of the output of our own file modules: a rendered template is part of a reply."""
LOCAL_LIMIT, HOST_LIMIT = 16, 8
"""Calls at the same time, on this machine and on each other host."""


class _HostKind(NamedTuple):
    """What follows from the entry of a host: each call needs it several times."""

    entry: HostEntry
    is_local: bool
    privilege: str
    refused: str | None
    """Why no module can run there."""


class Ftl2Modules:
    """The port `Modules`. Processes, imports and connections are started on first use."""

    def __init__(
        self,
        inventory: Inventory | Path | str | None,
        *,
        work_dir: Path,
        redact: Callable[[str], str],
        local: LocalCalls | None = None,
        hidden: Sequence[str] = (),
        capture_limit: int = 16 * MIB,
        in_service: bool = False,
    ) -> None:
        """Observations cannot read the paths in `hidden`, which contain secrets; `in_service` matters for hints."""
        known = inventory if isinstance(inventory, Inventory) else inventory_files.load(inventory)
        self._inventory: Inventory = known
        self._redact: Callable[[str], str] = redact
        self._hidden: list[str] = list(hidden)
        self._capture_limit: int = capture_limit
        self._turns: dict[str, asyncio.Semaphore] = {LOCALHOST: asyncio.Semaphore(LOCAL_LIMIT)}
        self._local: LocalCalls = local or LocalCalls()
        self._ssh: SshCalls = SshCalls(work_dir, in_service=in_service)
        self._work_dir: Path = work_dir
        self._running: set[asyncio.Task[Any]] = set()
        self._kinds: dict[str, _HostKind] = {}

    def expand(self, target: str) -> list[str]:
        """See the port."""
        return self._inventory.expand(target)

    def hosts(self) -> list[HostEntry]:
        """See the port."""
        return self._inventory.hosts()

    def identity(self, host: str) -> HostIdentity:
        """See the port."""
        return self._inventory.identity(host)

    def identity_of(self, entry: HostEntry) -> HostIdentity:
        """See the port."""
        return self._inventory.identity_of(entry)

    def privilege(self, host: str) -> str:
        """See the port."""
        entry = self._inventory.entry(host)
        return "" if entry is None else self._kind(entry).privilege

    def source_digest(self, module: str, params: Mapping[str, Any]) -> str:
        """See the port."""
        return call_plan.source_digest(canonical(module), params)

    def add_host(self, entry: HostEntry) -> None:
        """See the port."""
        self._inventory.add(entry)

    def remove_host(self, name: str) -> None:
        """See the port."""
        self._inventory.remove(name)

    def refuse(self, module: str, host: str) -> str | None:
        """See the port."""
        entry = self._inventory.entry(host)
        if entry is None:
            return f"cannot find the host {host}: it is not in the inventory"
        kind = self._kind(entry)
        found = None if module == RESOLVE_PATHS else module_catalogue.find(module, local=kind.is_local)
        return found if isinstance(found, str) else kind.refused

    def _kind(self, entry: HostEntry) -> _HostKind:
        known = self._kinds.get(entry.name)
        if known is None or known.entry is not entry:
            known = self._kinds[entry.name] = _HostKind(
                entry=entry,
                is_local=is_local(entry),
                privilege=ftl2_context.privilege(entry),
                refused=_refuse_host(entry),
            )
        return known

    def get_ready(self) -> None:
        """Start the helper process of local calls now, so that the first call does not wait for it."""
        self._local.get_ready()

    async def run(self, call: ModuleCall) -> ModuleResult:
        """See the port."""
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        try:
            return await self._run(call)
        finally:
            self._running.discard(cast("asyncio.Task[Any]", task))

    async def close(self) -> None:
        """See the port."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._ssh.close()
        await asyncio.to_thread(self._local.close)

    async def _run(self, call: ModuleCall) -> ModuleResult:
        injected = _shapes(call.params[name] for name in call.injected) if call.injected else frozenset[str]()
        call.permit.require_call(
            host=self.identity(call.host),
            module=canonical(call.module),
            params=call.params,
            privilege=self.privilege(call.host),
            fence=call.fence,
        )
        try:
            entry = self._inventory.entry(call.host)
            why = self.refuse(call.module, call.host)
            if entry is None or why is not None:
                return call_result.failed(why or "")
            params = dict(call.params)
            if self._hidden and call.fence is not Fence.NONE and self._kind(entry).is_local:
                why = await asyncio.to_thread(hidden_places.refused, canonical(call.module), params, self._hidden)
                if why is not None:
                    return call_result.failed(why)
            if call.module == RESOLVE_PATHS:
                async with self._turn(entry):
                    request = {
                        "kind": "resolve",
                        "paths": [str(path) for path in params.get("paths") or ()],
                        "timeout": call.timeout,
                        "limit": MIB,
                    }
                    head, out, err = await self._send(entry, request, call.is_still_allowed)
                return call_result.of_module(head, out, err, timeout=call.timeout)
            checks = call.fence is Fence.CHECK_MODE
            module = module_catalogue.find(call.module, params, local=self._kind(entry).is_local, checks=checks)
            if isinstance(module, str):
                result = call_result.failed(module)
            else:
                async with self._turn(entry):
                    result = await self._perform(entry, module, params, call)
        except NoLongerAllowed:
            return ModuleResult(success=False, held=True, error="it was no longer allowed when it was about to begin")
        except (HelperDied, HostUnreachable) as error:
            result = call_result.failed(str(error), lost=error.began)
        except (call_plan.CannotPlan, Problem) as error:
            result = call_result.failed(str(error))
        if not injected:
            return call_result.cleaned(result, self._redact)
        return call_result.cleaned(result, lambda text: self._redact(_hide(text, injected)))

    async def _perform(
        self, entry: HostEntry, module: CatalogueModule, params: dict[str, Any], call: ModuleCall
    ) -> ModuleResult:
        seconds, allowed = call.timeout, call.is_still_allowed
        bounds = {"timeout": seconds, "limit": self._capture_limit, **self._fence(call)}
        match module.kind:
            case "command":
                own = params.get("timeout")
                if isinstance(own, int | float) and 0 < own < seconds:
                    bounds["timeout"] = own
                request = {**call_plan.command(module.name, params), **bounds}
                head, out, err = await self._send(entry, request, allowed)
                if params.get("strip_empty_ends"):
                    out, err = out.rstrip(b"\r\n"), err.rstrip(b"\r\n")
                return call_result.of_command(
                    head, out, err, call_plan.shown_command(params), timeout=bounds["timeout"],
                    chdir=params.get("chdir"),
                )  # fmt: skip
            case "observe":
                request = {**call_plan.observation(module.name, params), **bounds}
                head, out, err = await self._send(entry, request, allowed)
            case "content":
                return await self._put(entry, module, params, call)
            case "native":
                head, out, err = await self._send(entry, {**call_plan.native(module.name, params), **bounds}, allowed)
            case _:
                if call.fence is Fence.CHECK_MODE:
                    params = {**params, "_ansible_check_mode": True, "_ansible_diff": True}
                request = await self._ansible(entry, module, params)
                if module.name == "file" and call.fence is Fence.CHECK_MODE:
                    request["lists"] = [str(params[name]) for name in ("path", "dest", "name") if params.get(name)]
                head, out, err = await self._send(entry, {**request, **bounds}, allowed, module=module)
                result = call_result.of_module(head, out, err, timeout=seconds)
                return result if "lists" not in request or head.get("listable") else _without_names(result)
        return call_result.of_module(head, out, err, timeout=seconds)

    async def _ansible(self, entry: HostEntry, module: CatalogueModule, params: dict[str, Any]) -> dict[str, Any]:
        chosen = _interpreter(entry, module)
        if not self._kind(entry).is_local or chosen is None:
            return {
                "kind": "ansible", "path": str(module.path), "params": params, "collection": module.collection,
                "collection_roots": module_catalogue.collection_roots() if module.collection else [],
            }  # fmt: skip
        digest, data = await self._ssh.bundle(module.name)
        folder = await asyncio.to_thread(bundles.place, self._work_dir / "modules", digest, data)
        return {"kind": "program", "path": str(folder), "params": params, "interpreter": chosen}

    async def _put(
        self, entry: HostEntry, module: CatalogueModule, params: dict[str, Any], call: ModuleCall
    ) -> ModuleResult:
        seconds, allowed = call.timeout, call.is_still_allowed
        bounds = {"timeout": seconds, "limit": FILE_LIMIT, **self._fence(call)}
        if module.name == "copy":
            request = await asyncio.to_thread(call_plan.copy, params)
        else:
            render, request = call_plan.template(params, host=entry.name)
            try:
                head, out, err = await self._local.perform({**render, **bounds}, allowed)
            except HelperDied as error:
                # A template is rendered here first, before anything changes on the host.
                return call_result.failed(str(error))
            rendered = call_result.of_module(head, out, err, timeout=seconds)
            if not rendered.success:
                return ModuleResult(success=False, error=rendered.error, timed_out=rendered.timed_out,
                                    fenced=rendered.fenced, cannot_fence=rendered.cannot_fence)  # fmt: skip
            request["content"] = rendered.output["content"]
            request["source_is_private"] |= bool(rendered.output.get("includes_private"))
        head, out, err = await self._send(entry, {**request, **bounds}, allowed)
        result = call_result.of_module(head, out, err, timeout=seconds)
        source = {"src": str(params["src"])} if params.get("src") else {}
        return ModuleResult(success=result.success, changed=result.changed, output={**result.output, **source},
                      error=result.error, timed_out=result.timed_out, stderr=result.stderr, fenced=result.fenced,
                      cannot_fence=result.cannot_fence)  # fmt: skip

    def _fence(self, call: ModuleCall) -> dict[str, Any]:
        """What a request for a fenced call has in addition."""
        match call.fence:
            case Fence.SANDBOX:
                return {"fence": call.fence.value, "hidden": self._hidden}
            case Fence.CHECK_MODE:
                return {"check": True, "compare": call.compare, **_observing(call)}
            case Fence.READING:
                return _observing(call)
            case Fence.NONE:
                return {}

    async def _send(
        self,
        entry: HostEntry,
        request: dict[str, Any],
        allowed: Callable[[], bool],
        *,
        module: CatalogueModule | None = None,
    ) -> tuple[dict[str, Any], bytes, bytes]:  # fmt: skip
        request = cast("dict[str, Any]", call_result.plain(request))
        if self._kind(entry).is_local:
            return await self._local.perform(request, allowed)
        return await self._ssh.perform(entry, request, allowed, module=module.name if module else None)

    def _turn(self, entry: HostEntry) -> asyncio.Semaphore:
        name = LOCALHOST if self._kind(entry).is_local else entry.name
        return self._turns.setdefault(name, asyncio.Semaphore(HOST_LIMIT))


def _without_names(result: ModuleResult) -> ModuleResult:
    """The result of `file` without the names of what is below a directory that it would remove."""
    diff: dict[str, Any] = result.output.get("diff") or {}
    before: dict[str, Any] = diff.get("before") or {}
    if "path_content" not in before:
        return result
    before = {**before, "path_content": {"hidden": diffs.PRIVATE_TREE}}
    return msgspec.structs.replace(result, output={**result.output, "diff": {**diff, "before": before}})


def _observing(call: ModuleCall) -> dict[str, Any]:
    """What a request has in addition whose module only observes."""
    known = find(call.module)
    names = known.whole if known is not None else ()
    if known is not None and known.name == "wait_for" and not call.params.get("search_regex"):
        # Without an expression, it does not read the file: it may wait for a socket.
        names = ()
    return {"observes": True, "read_whole": [str(call.params[name]) for name in names if call.params.get(name)]}


def _interpreter(entry: HostEntry, module: CatalogueModule) -> str | None:
    """The Python for a local Ansible-style module, if the inventory or its bindings require another one."""
    given = entry.vars.get("ansible_python_interpreter")
    if given and not str(given).startswith("auto"):
        return str(given)
    return module_catalogue.SYSTEM_PYTHON if module.name in module_catalogue.BOUND_TO_SYSTEM else None


def _refuse_host(entry: HostEntry) -> str | None:
    connection = entry.vars.get("ansible_connection")
    if connection not in {None, "local", "ssh", "smart", "paramiko"}:
        return f"cannot use the host {entry.name}: FTL2 has no connection {connection}; it has ssh and local"
    if not is_local(entry):
        return _refuse_arguments(entry) or ftl2_context.cannot_become(entry)
    if ftl2_context.truth(entry.vars.get("ansible_become")):
        return f"cannot become another user on {entry.name}: FTL2 ignores become where the connection is local"
    return ftl2_context.cannot_become(entry)


def _refuse_arguments(entry: HostEntry) -> str | None:
    """Why the arguments of ssh are not supported. An inventory that has such arguments is refused before."""
    try:
        arguments_of(entry.name, entry.vars)
    except Problem as refused:
        return f"{refused.message} ({refused.hint})"
    return None


def _shapes(secrets: Iterable[Any]) -> frozenset[str]:
    """Injected secrets, in every spelling in which programs may print them."""
    added = list(secrets)
    shapes = {shape for text in _texts(added) for shape in (text, json.dumps(text)[1:-1], repr(text)[1:-1])}
    lines = {part for text in _texts(added) if "\n" in text for part in text.splitlines() if len(part.strip()) > 7}
    return frozenset(shape for shape in shapes | lines if shape)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case Mapping():
            for inner in cast("Mapping[Any, Any]", value).values():
                yield from _texts(inner)
        case list() | tuple():
            for inner in cast("list[Any]", value):
                yield from _texts(inner)
        case bool() | None:
            return
        case _:
            yield str(value)


def _hide(text: str, injected: frozenset[str]) -> str:
    for value in sorted(injected, key=len, reverse=True):
        # A secret of one or two characters is hidden only as a separate word, or it would mask everything.
        text = text.replace(value, MASK) if len(value) > 2 else MASK if text == value else text
    return text
