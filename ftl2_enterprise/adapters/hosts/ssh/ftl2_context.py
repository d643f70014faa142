"""The only module that imports FTL2 into this process: contexts for SSH hosts, opened with explicit keywords."""

from __future__ import annotations

import asyncio
import functools
import importlib
import io
import logging
import zipfile
from contextvars import ContextVar
from getpass import getuser
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts import remote
from ftl2_enterprise.adapters.hosts.inventory.model import KEY_VARIABLES
from ftl2_enterprise.adapters.hosts.inventory.ssh_arguments import arguments_of
from ftl2_enterprise.adapters.hosts.ssh import connecting

if TYPE_CHECKING:
    from ftl2_enterprise.loops.ports import HostEntry

HELPER = "ftl2_enterprise.on_host.call"
"""The module name of our code on the managed host in FTL2's gate."""

KEEPALIVE_LIMIT = 900.0
"""Seconds that a gate may be silent. FTL2's default of 60 would end long calls."""

ENCODER = b"""import json
json.JSONEncoder.default = lambda _, v: v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)
"""
"""Modules put captured bytes into their failures, which cannot be encoded as JSON."""

MAIN = """import os, stat, sys
archive, kept = sys.path[0], os.path.expanduser("~/.ftl/code/{digest}")
def start():
    from ftl2_enterprise.adapters.hosts.remote.remote_main import main
    return main
def is_own(path):
    found = os.lstat(path)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
try:
    if all(map(is_own, (kept, os.path.dirname(kept), os.path.dirname(os.path.dirname(kept))))):
        sys.path[0] = kept
    main = start()
except Exception:
    sys.path[0] = archive
    for name in [name for name in sys.modules if name.partition(".")[0] == "ftl2_enterprise"]:
        del sys.modules[name]
    main = start()
main(archive, "{digest}")
"""
"""What FTL2's gate starts for each call. From an archive, Python would compile our code each time.

What others could have changed is not executed, and what is damaged is replaced when the next connection begins.
"""

NO = frozenset({"0", "false", "no", "off", "n", "f", ""})


async def ready() -> None:
    """Import FTL2 without blocking the event loop (0.6 s), and disable its side effects on logging."""
    await asyncio.to_thread(importlib.import_module, "ftl2.automation")
    runners: Any = importlib.import_module("ftl2.runners")
    runners.RemoteModuleRunner.KEEPALIVE_TIMEOUT = KEEPALIVE_LIMIT
    if not isinstance(runners.asyncssh, _WatchedLibrary):
        runners.asyncssh = _WatchedLibrary(runners.asyncssh)
    for name in ("ftl2", "asyncssh"):
        logger = logging.getLogger(name)
        # Without a handler Python prints warnings to the terminal; the handlers of parents would log parameters.
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.propagate = False


class _WatchedLibrary:
    """A proxy of the SSH library for FTL2 that connects in our way, and records each connection for its call."""

    def __init__(self, library: Any) -> None:
        self._library: Any = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    async def connect(self, **settings: Any) -> Any:
        """Connect and record the connection. Raises NotConnected, and what the library raises."""
        connection = await connecting.connect(self._library, settings)
        opened = _OPENED.get()
        if opened is not None:
            opened.append(connection)
        return connection


_OPENED: ContextVar[list[Any] | None] = ContextVar("opened", default=None)


async def run_helper(context: Any, host: Any, **params: Any) -> list[Any]:
    """Run our helper on the host. Connections whose gate did not start are closed here, as FTL2 leaves them open."""
    _forget_lost(context._remote_runner.gate_cache)
    opened: list[Any] = []
    token = _OPENED.set(opened)
    try:
        return await context.run_on(host, HELPER, **params)
    finally:
        _OPENED.reset(token)
        used = {id(gate.conn) for gate in context._remote_runner.gate_cache.values()}
        for connection in opened:
            if id(connection) not in used:
                connection.close()


def _forget_lost(gates: dict[str, Any]) -> None:
    """Forget connections that are lost. FTL2 would close them first, and fail once more with why they were lost."""
    for key, gate in [(key, gate) for key, gate in gates.items() if not gate.healthy]:
        del gates[key]
        for task in (gate._reader_task, gate._keepalive_task):
            if task is not None:
                task.cancel()
        gate.conn.abort()


def open_context(gates: Path) -> Any:
    """A context without state, logs, records and summaries in the user's home, with its own gate folder."""
    automation: Any = importlib.import_module("ftl2.automation").automation
    inventory: Any = importlib.import_module("ftl2.inventory").Inventory
    for module, name in (("ftl2.types", "GateConfig"), ("ftl2.gate", "GateBuilder")):
        # FTL2's default objects would create folders below HOME.
        home: Any = importlib.import_module(module)
        made: Any = getattr(home, name)
        setattr(home, name, functools.partial(getattr(made, "func", made), cache_dir=gates))
    return automation(inventory=inventory(), **KEYWORDS)


KEYWORDS: dict[str, Any] = {
    "modules": None,
    "secrets": None,
    "secret_bindings": None,
    "check_mode": False,
    "verbose": False,
    "quiet": True,
    "on_event": None,
    "fail_fast": False,
    "print_summary": False,
    "print_errors": False,
    "auto_install_deps": False,
    "record_deps": False,
    "deps_file": "/dev/null",
    "modules_file": "/dev/null",
    "gate_modules": None,
    "gate_dependencies": None,
    "gate_subsystem": False,
    "state_file": None,
    "import_state_files": None,
    "record": None,
    "replay": None,
    "vault_secrets": None,
    "policy": None,
    "environment": "",
    "policy_audit": None,
    "ignore_missing_inventory": False,
    "log_file": None,
}
"""Every keyword except the inventory: defaults change between FTL2's patch releases."""


def equip(context: Any) -> None:
    """Add our helper to an entered context."""
    bundles: Any = importlib.import_module("ftl2.module_loading.bundle")
    data = helper()
    context._bundle_cache.add(
        bundles.Bundle(
            info=bundles.BundleInfo(
                fqcn=HELPER, content_hash=sha256(data).hexdigest()[:12], size=len(data),
                module_path=Path(remote.__file__ or ""), dependency_count=0,
            ),
            data=data,
        )
    )  # fmt: skip


@functools.cache
def helper() -> bytes:
    """Our code for managed hosts, with FTL2's own modules that need only Python, as an executable archive."""
    own = Path(remote.__file__ or "").parent
    native = Path(importlib.import_module("ftl2").__file__ or "").parent / "ftl_modules"
    files = {
        f"ftl2_enterprise/adapters/hosts/remote/{path.relative_to(own)}": path.read_text()
        for path in own.rglob("*.py")
    }
    for name in ("exceptions", "file", "dnf"):
        files[f"ftl2/ftl_modules/{name}.py"] = (native / f"{name}.py").read_text()
    files |= dict.fromkeys(
        ("ftl2_enterprise/__init__.py", "ftl2_enterprise/adapters/__init__.py",
         "ftl2_enterprise/adapters/hosts/__init__.py", "ftl2/__init__.py",
         "ftl2/ftl_modules/__init__.py"), "",
    )  # fmt: skip
    digest = sha256(repr(sorted(files.items())).encode()).hexdigest()[:32]
    files["__main__.py"] = MAIN.format(digest=digest)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            archive.writestr(name, text)
    return packed.getvalue()


def bundle(name: str) -> bytes:
    """An Ansible-style module with its libraries, as packed by FTL2.

    Slow the first time; to be called in a thread.
    """
    bundles: Any = importlib.import_module("ftl2.module_loading.bundle")
    data = bundles.build_bundle_from_fqcn(name if "." in name else f"ansible.builtin.{name}").data
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for item in before.namelist():
            after.writestr(item, (ENCODER if item == "__main__.py" else b"") + before.read(item))
    return packed.getvalue()


def host_config(entry: HostEntry, way: object = ()) -> Any:
    """The host in FTL2's form. `way` identifies how it is reached: connections are made again when it changes.

    Raises ValueError with a sentence for settings that FTL2 would silently ignore, and Problem.
    """
    types: Any = importlib.import_module("ftl2.types")
    known = entry.vars
    why = cannot_become(entry)
    if why:
        raise ValueError(why)
    key = next((known[name] for name in KEY_VARIABLES if known.get(name)), None)
    key = key or arguments_of(entry.name, known).key
    password = known.get("ansible_password") or known.get("ansible_ssh_pass") or known.get("ansible_ssh_password")
    settings: dict[str, Any] = {
        "ansible_host": entry.ansible_host or entry.name,
        "ansible_port": entry.ansible_port or 22,
        "ansible_user": entry.ansible_user or getuser(),
        "ansible_python_interpreter": interpreter(entry),
        "ansible_become": truth(known.get("ansible_become")),
        "ansible_become_user": str(known.get("ansible_become_user") or "root"),
        "vars": {
            **({"ssh_private_key_file": str(Path(str(key)).expanduser())} if key else {}),
            **({"ansible_password": str(password)} if password else {}),
            "disable_host_key_checking": ignores_host_keys(entry),
        },
    }
    # FTL2 caches connections by name, so another address, user or key needs another name.
    digest = sha256(repr((sorted(settings.items(), key=lambda item: item[0]), way)).encode()).hexdigest()[:12]
    return types.HostConfig(name=f"{entry.name}#{digest}", ansible_connection="ssh", **settings)


def interpreter(entry: HostEntry) -> str:
    """The Python interpreter on the managed host."""
    given = str(entry.vars.get("ansible_python_interpreter") or "python3")
    return "python3" if given.startswith("auto") else given


def ignores_host_keys(entry: HostEntry) -> bool:
    """Whether the inventory disables host key checking, in one of the forms that Ansible and FTL2 support."""
    if truth(entry.vars.get("disable_host_key_checking")):
        return True
    checking = entry.vars.get("ansible_ssh_host_key_checking", entry.vars.get("ansible_host_key_checking"))
    return checking is not None and not truth(checking)


def cannot_become(entry: HostEntry) -> str | None:
    """The reason why the host's privilege escalation is not supported, in one sentence, or None."""
    if not truth(entry.vars.get("ansible_become")):
        return None
    method = str(entry.vars.get("ansible_become_method") or "sudo")
    if method != "sudo":
        return f"cannot use {method} on {entry.name}: FTL2 supports sudo only"
    if any(entry.vars.get(key) for key in ("ansible_become_password", "ansible_become_pass")):
        return f"cannot pass sudo a password on {entry.name}: FTL2 needs sudo without a password (NOPASSWD)"
    return None


def privilege(entry: HostEntry) -> str:
    """The user that modules run as by sudo; empty for the user of the connection."""
    return str(entry.vars.get("ansible_become_user") or "root") if truth(entry.vars.get("ansible_become")) else ""


def truth(value: Any) -> bool:
    """The boolean value of an inventory variable."""
    return value.strip().lower() not in NO if isinstance(value, str) else bool(value)
