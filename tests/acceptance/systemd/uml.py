"""A machine with its own kernel, user-mode Linux: boots in seconds, has all cgroup controllers, needs no KVM."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.systemd.machine_base import Powered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.acceptance.systemd.tree import Tree

# The kernel needs the glibc of the tree, so it runs in it, in its own mount namespace; nothing is written there.
BOOT = """
set -e
tree=$1 run=$2 name=$3 line=$4
root=$tree/root
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$tree" "$root/srv"
mount --bind "$run" "$root/mnt"
cd /
exec env -i HOME=/mnt TMPDIR=/dev/shm PATH=/usr/bin:/usr/sbin \\
    setpriv --pdeathsig KILL chroot "$root" /srv/linux.uml mem=1024M umid="$name" uml_dir=/mnt/uml \\
    ubd0=/mnt/cow,/srv/disk.img root=/dev/ubda rw init=/lib/systemd/systemd \\
    con=null con0=null,fd:1 ssl=null ssl1="fd:$line,fd:$line" quiet systemd.show_status=0
"""
HOST_CANNOT = "ptrace set fp regs failed, errno = 14"
"""In the console when the processor has larger extended registers than that kernel has room for."""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}


class Uml(Powered):
    """Commands go over a serial line to the agent inside; the directory `share` is /host there."""

    slowness = 5.0

    def __init__(self, tree: Tree, directory: Path) -> None:
        super().__init__(tree, directory)
        self._line: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._ready = False
        self.share.mkdir(parents=True, exist_ok=True)

    @property
    def share(self) -> Path:
        return self.directory / "share"

    def start(self) -> None:
        """Power on; returns when the agent inside listens."""
        self._line, theirs = socket.socketpair()
        self._ready = False
        with self.console.open("ab") as console, theirs:
            self.process = subprocess.Popen(
                ["unshare", "-m", "--propagation", "private", "bash", "-c", BOOT, "boot",
                 str(self.tree.directory), str(self.directory), self.name, str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                pass_fds=[theirs.fileno()],
            )  # fmt: skip
        threading.Thread(target=self._read, args=(self._line,), daemon=True).start()
        with self._changed:
            ready = self._changed.wait_for(lambda: self._ready or self._ended(), 120)
        if self._ended() and HOST_CANNOT in self.console.read_text(errors="replace"):
            pytest.skip("user-mode Linux cannot run here: it has no room for the registers of this processor")
        assert ready, f"the machine did not boot: {self.console.read_text()[-2000:]}"
        assert not self._ended(), f"the machine ended: {self.console.read_text()[-2000:]}"
        self.run_command(["mount", "-m", "-t", "hostfs", "none", "/host", "-o", "hostfs=/mnt/share"], b"", 30)

    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def _read(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), line.makefile("rb") as answers:
            for text in answers:
                # What is on the line before the agent has it is no answer.
                with contextlib.suppress(ValueError), self._changed:
                    answer = json.loads(text)
                    if "ready" in answer:
                        self._ready = True
                    else:
                        self._answers[answer["id"]] = answer
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def run_command(self, argv: Sequence[str], given: bytes, seconds: float) -> tuple[int, bytes, bytes]:
        """Run a command inside; status, standard output, standard error."""
        number = next(self._numbers)
        order = {"id": number, "argv": list(argv), "input": base64.b64encode(given).decode(), "seconds": seconds}
        assert self._line is not None
        self._line.sendall(json.dumps(order | {"env": ENVIRONMENT}).encode() + b"\n")
        with self._changed:
            there = self._changed.wait_for(lambda: number in self._answers or self._ended(), seconds + 10)
        assert there, f"the machine does not answer: {argv}\n{self.console.read_text()[-2000:]}"
        assert number in self._answers, f"the machine has ended: {argv}\n{self.console.read_text()[-2000:]}"
        answer = self._answers.pop(number)
        return answer["status"], base64.b64decode(answer["out"]), base64.b64decode(answer["err"])

    def put(self, source: Path, path: str) -> None:
        """Copy a file of the host into the machine; not over the line, which is slow."""
        shutil.copy(source, self.share / source.name)
        status, _, err = self.run_command(["install", "-m", "644", f"/host/{source.name}", path], b"", 60)
        assert status == 0, err.decode()

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        # Its threads and the processes inside are processes here, in the session that was made for it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _tidy(self) -> None:
        super()._tidy()
        if self._line is not None:
            self._line.close()
