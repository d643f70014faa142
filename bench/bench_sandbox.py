"""A command in the read-only sandbox, next to the same command without it: here, and over a connected SSH session."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import Row, medians_of_both
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.adapters.hosts.local.calls import LocalCalls
from ftl2_enterprise.adapters.hosts.ssh import calls as ssh_calls
from tests.support.processes import fenced_calls, gates, sshd

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 60
COMMAND: dict[str, Any] = {
    "kind": "command", "argv": ["/bin/sh", "-c", "df / | tail -n 1"], "stdin": None, "timeout": 30, "limit": 1 << 20,
    "environment": {},
}  # fmt: skip
FENCED: dict[str, Any] = {**COMMAND, "fence": "sandbox"}


def run() -> list[Row]:
    rows = [_row("as this user, by the helper", *_local()), _row("as an ordinary user", *_user())]
    return [*rows, *_ssh()]


def _row(name: str, fenced: float, plain: float) -> Row:
    return Row(name=f"a command in the sandbox, {name}", ours=fenced, peer=plain, unit="ms", against="without it")


def _checked(call: Callable[[dict[str, Any]], tuple[Any, ...]]) -> tuple[float, float]:
    def fenced() -> None:
        head = call(FENCED)[0]
        if not head.get("fenced"):
            raise SystemExit(f"cannot measure the sandbox: {head}")

    return medians_of_both(fenced, lambda: call(COMMAND), runs=RUNS, warmup=3)


def _local() -> tuple[float, float]:
    with asyncio.Runner() as runner:
        calls = LocalCalls()
        try:
            return _checked(lambda request: runner.run(calls.perform(request, lambda: True)))
        finally:
            calls.close()


def _user() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        code = fenced_calls.place_code(Path(folder) / "code")
        with fenced_calls.HostProcess(code, os.geteuid() or fenced_calls.USER) as host:
            return _checked(host.call)


def _ssh() -> list[Row]:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "sshd").mkdir()
        gates.build(folder)
        try:
            with sshd.running(folder / "sshd", folder) as server, asyncio.Runner() as runner:
                inventory = Inventory()
                inventory.host("web").update(server.host_vars())
                entry = inventory.settle().entry("web")
                calls = ssh_calls.SshCalls(folder)
                try:
                    assert entry is not None
                    return [
                        _row(
                            "over SSH",
                            *_checked(lambda request: runner.run(calls.perform(entry, request, lambda: True))),
                        )
                    ]
                finally:
                    runner.run(calls.close())
        except sshd.CannotStart:
            return []
