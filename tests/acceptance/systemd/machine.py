"""A booted machine as a test has it: commands with their status, files, units, users; waits are on conditions."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8", "TERM=dumb", "SYSTEMD_PAGER=",
    "SYSTEMD_COLORS=0", "DEBIAN_FRONTEND=noninteractive",
)  # fmt: skip
UNIT = "ftl2-enterprise.service"


class Engine(Protocol):
    """What boots it."""

    slowness: float
    directory: Path

    def start(self) -> None: ...
    def run_command(self, argv: Sequence[str], given: bytes, seconds: float) -> tuple[int, bytes, bytes]: ...
    def put(self, source: Path, path: str) -> None: ...
    def wait(self, seconds: float) -> None: ...
    def cut_power(self) -> None: ...


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    command: str
    status: int
    out: str
    err: str

    @property
    def output(self) -> str:
        return self.out + self.err

    def __str__(self) -> str:
        return f"{self.command} ended with {self.status}\n{self.output}"


class Machine[E: Engine]:
    """One machine; what a command gives is text."""

    def __init__(self, engine: E) -> None:
        self.engine = engine

    # --- its life --------------------------------------------------------------------------------------------------

    def boot(self) -> str:
        """Power on and wait until systemd reports its state."""
        self.engine.start()
        self.until(
            lambda: self.try_("systemctl", "is-system-running", "--wait").out.strip() in {"running", "degraded"}
        )
        return self.try_("systemctl", "is-system-running").out.strip()

    def power_off(self) -> None:
        self.try_("systemctl", "poweroff", "--no-block")
        try:
            self.engine.wait(30 * self.engine.slowness)
        except subprocess.TimeoutExpired:
            self.engine.cut_power()

    def reboot(self) -> str:
        """An orderly restart."""
        self.try_("systemctl", "poweroff", "--no-block")
        self.engine.wait(120 * self.engine.slowness)
        return self.boot()

    # --- commands --------------------------------------------------------------------------------------------------

    @staticmethod
    def argv(*argv: str, user: str | None = None) -> list[str]:
        """The command with its user and environment."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env"] if user else []
        home = [] if user else ["HOME=/root"]
        return [
            "/usr/bin/env",
            "-i",
            *ENVIRONMENT,
            *home,
            *who,
            *(["/usr/bin/env", *ENVIRONMENT] if user else []),
            *argv,
        ]

    def try_(self, *argv: str, user: str | None = None, given: str | bytes = b"", seconds: float = 60) -> Done:
        """Run a command; its end is for the caller to judge."""
        data = given.encode() if isinstance(given, str) else given
        status, out, err = self.engine.run_command(self.argv(*argv, user=user), data, seconds * self.engine.slowness)
        return Done(shlex.join(argv), status, out.decode(errors="replace"), err.decode(errors="replace"))

    def run(self, *argv: str, user: str | None = None, given: str | bytes = b"", seconds: float = 60) -> str:
        """Run a command that must succeed; what it printed."""
        done = self.try_(*argv, user=user, given=given, seconds=seconds)
        assert done.status == 0, done
        return done.out

    def sh(self, script: str, *, user: str | None = None, seconds: float = 60) -> str:
        """Run a script of the shell that must succeed."""
        return self.run("sh", "-ec", script, user=user, seconds=seconds)

    def until[T](self, condition: Callable[[], T | None], seconds: float = 60) -> T:
        return until(condition, seconds=seconds * self.engine.slowness)

    # --- files -----------------------------------------------------------------------------------------------------

    def write(self, path: str, content: str | bytes, *, mode: str = "0644", owner: str = "root") -> None:
        self.run("install", "-D", "-m", mode, "-o", owner, "/dev/stdin", path, given=content)

    def read(self, path: str) -> str:
        return self.run("cat", path)

    def exists(self, path: str) -> bool:
        return self.try_("test", "-e", path).status == 0

    def add_user(self, name: str, *groups: str) -> None:
        self.run(
            "useradd", "--create-home", "--user-group", "--shell", "/bin/bash", *[f"-G{one}" for one in groups], name
        )

    # --- units -----------------------------------------------------------------------------------------------------

    def show(self, name: str, unit: str = UNIT) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "-P", name, unit).strip()

    def is_active(self, unit: str = UNIT) -> bool:
        return self.try_("systemctl", "is-active", unit).out.strip() == "active"

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        lines = self.run("journalctl", "-o", "json", "-u", UNIT, *matches).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    # --- the product -----------------------------------------------------------------------------------------------

    def ctl(self, *argv: str, user: str | None = None) -> Any:
        """The output of `ftl2ctl ... --json`."""
        return json.loads(self.run("ftl2ctl", *argv, "--json", user=user))

    def submit(self, name: str, manifest: str, *options: str, user: str | None = None) -> Done:
        """Submit a manifest as the given user."""
        path = f"/tmp/{name}.yaml"
        self.write(path, manifest)
        return self.try_("ftl2ctl", "submit", "-f", path, "--name", name, *options, user=user)

    def loops(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.ctl("list", "--all")["loops"]}

    def pids(self) -> dict[str, int]:
        """The supervisor's own processes that live, and the loops that have a process (`loop:NAME`)."""
        found = {each["name"]: each["pid"] for each in self.ctl("health")["processes"] if each.get("pid")}
        return found | {f"loop:{name}": each["pid"] for name, each in self.loops().items() if each.get("pid")}

    def until_well(self, seconds: float = 60) -> None:
        """Wait until the service answers and reports that it is healthy."""
        self.until(lambda: self.try_("ftl2ctl", "health").status == 0, seconds)

    def drop_in(self, name: str, text: str) -> None:
        """As `systemctl edit` does it."""
        self.write(f"/etc/systemd/system/{UNIT}.d/{name}.conf", text)
        self.run("systemctl", "daemon-reload")

    def until_state(self, loop: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """The loop, once it is in one of the states."""

        def settled() -> dict[str, Any] | None:
            found = self.loops().get(loop)
            return found if found is not None and found["state"] in states else None

        return self.until(settled, seconds)


@contextlib.contextmanager
def booted[E: Engine](engine: E) -> Generator[Machine[E]]:
    """The machine, on; off and gone afterwards whatever happens."""
    machine = Machine(engine)
    try:
        machine.boot()
        yield machine
    finally:
        engine.cut_power()
