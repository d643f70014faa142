"""A machine as a container: boots in a second; the kernel and its cgroup controllers are those of the host."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.systemd.machine_base import Powered
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.acceptance.systemd.tree import Tree

# In its own mount namespace: cgroup2 alone, so that nspawn sees a unified host and touches no other hierarchy;
# an overlay, so that the tree stays as it is. Everything is gone with the process.
BOOT = """
set -e
cgroup=$1 lower=$2 over=$3 name=$4
echo $BASHPID >"$cgroup/cgroup.procs"
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$over/upper,workdir=$over/work" "$over/root"
exec setpriv --pdeathsig KILL systemd-nspawn --quiet --settings=no --directory="$over/root" --machine="$name" \\
    --register=no --keep-unit --boot --console=pipe --private-network --link-journal=no
"""


class Nspawn(Powered):
    """Boots `layers` over the tree; what the machine writes is in `upper`, which can be a layer of the next one."""

    slowness = 1.0

    def __init__(self, tree: Tree, directory: Path, layers: Sequence[Path] = ()) -> None:
        super().__init__(tree, directory)
        self.layers = list(layers)
        self.leader = 0
        for part in ("upper", "work", "root"):
            (directory / part).mkdir(parents=True, exist_ok=True)

    @property
    def upper(self) -> Path:
        return self.directory / "upper"

    @property
    def _cgroup(self) -> Path:
        unified = Path("/sys/fs/cgroup/unified")
        return (unified if unified.is_dir() else Path("/sys/fs/cgroup")) / self.name

    def start(self) -> None:
        """Power on; returns when there is a process 1."""
        self._cgroup.mkdir(exist_ok=True)
        lower = ":".join(str(layer) for layer in [*self.layers, self.tree.root])
        with self.console.open("ab") as console:
            self.process = subprocess.Popen(
                ["unshare", "-m", "--propagation", "private", "bash", "-c", BOOT, "boot",
                 str(self._cgroup), lower, str(self.directory), self.name],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip
        self.leader = until(self._find_leader, seconds=30)

    def _find_leader(self) -> int:
        assert self.process is not None
        assert self.process.poll() is None, f"the machine did not boot: {self.console.read_text()[-2000:]}"
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
        return 0

    def entering(self, argv: Sequence[str]) -> list[str]:
        """A command of the host that runs this one inside."""
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", *argv]

    def run_command(self, argv: Sequence[str], given: bytes, seconds: float) -> tuple[int, bytes, bytes]:
        """Run a command inside; status, standard output, standard error."""
        done = subprocess.run(
            self.entering(argv),
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
            env={"PATH": os.environ["PATH"]},
        )
        return done.returncode, done.stdout, done.stderr

    def put(self, source: Path, path: str) -> None:
        """Copy a file of the host into the machine."""
        with source.open("rb") as content:
            subprocess.run(self.entering(["install", "-m", "644", "/dev/stdin", path]), stdin=content, check=True)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        for pid in (self.leader, process.pid):
            if pid and process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _tidy(self) -> None:
        super()._tidy()
        self.leader = 0
        # What is being killed keeps its cgroup until it is gone.
        until(self._is_tidy)

    def _is_tidy(self) -> bool:
        for directory, _, _ in os.walk(self._cgroup, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        return not self._cgroup.exists()
