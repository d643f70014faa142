"""Performs requests in a process of the system's Python, as root or as another user, like a managed host does."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ftl2_enterprise.adapters.hosts import remote
from ftl2_enterprise.adapters.hosts.remote import frames
from tests.support.processes.sshd import interpreter

if TYPE_CHECKING:
    from types import TracebackType

USER = 45_654
"""An id that no account has."""
LANDLOCK_CREATE_RULESET = 444
SIZE = struct.Struct(">I")
DRIVER = """
import json, struct, sys
sys.path.insert(0, sys.argv[1])
from ftl2_enterprise.adapters.hosts.remote import perform
while size := sys.stdin.buffer.read(4):
    frame = perform.perform(json.loads(sys.stdin.buffer.read(struct.unpack(">I", size)[0])))
    sys.stdout.buffer.write(struct.pack(">I", len(frame)) + frame)
    sys.stdout.buffer.flush()
"""

type Reply = tuple[dict[str, Any], str, str]


def missing(user: int) -> str | None:
    """Why this machine cannot build the sandbox for that user, found without the code under test; or None."""
    if user != os.geteuid() and os.geteuid() != 0:
        return "only root can run calls as another user"
    if ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) < 4:
        return "the kernel has no Landlock, or an old one"
    if shutil.which("unshare") is None:
        return "there is no unshare(1) to try namespaces with"
    argv = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    if user:
        argv[1:1] = ["--user", "--map-root-user"]
    tried = subprocess.run(argv, user=user if os.geteuid() == 0 else None, cwd="/", capture_output=True, check=False)
    return None if tried.returncode == 0 else f"no namespaces here: {tried.stderr.decode(errors='replace').strip()}"


def place_code(folder: Path) -> Path:
    """Copy what a managed host receives into the folder, where every user can read it."""
    package = folder / "ftl2_enterprise" / "adapters" / "hosts"
    shutil.copytree(
        Path(remote.__file__ or "").parent, package / "remote", ignore=shutil.ignore_patterns("__pycache__")
    )
    for parent in (package, package.parent, package.parent.parent):
        (parent / "__init__.py").touch()
    return folder


class HostProcess:
    """A process that performs one request after the other."""

    def __init__(self, code: Path, user: int, **environment: str) -> None:
        python = interpreter() if Path(interpreter()).exists() else sys.executable
        other = user if os.geteuid() == 0 and user != 0 else None
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            [python, "-B", "-c", DRIVER, str(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/",
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/", **environment},
            user=other, group=other, extra_groups=None if other is None else [],
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def send(self, request: dict[str, Any]) -> None:
        """Begin a request."""
        stdin = self.process.stdin
        assert stdin is not None
        body = json.dumps({"timeout": 30, "limit": 1 << 20, **request}).encode()
        stdin.write(SIZE.pack(len(body)) + body)
        stdin.flush()

    def call(self, request: dict[str, Any]) -> Reply:
        """The head and the streams of the reply."""
        self.send(request)
        stdout = self.process.stdout
        assert stdout is not None
        (size,) = SIZE.unpack(stdout.read(SIZE.size))
        head, out, err = frames.unpack(stdout.read(size))
        return head, out.decode(errors="replace"), err.decode(errors="replace")

    def shell(self, text: str, *, fence: str | None = "sandbox", **more: Any) -> Reply:
        """The reply to a shell command, in the sandbox unless `fence` is None."""
        asked = {} if fence is None else {"fence": fence}
        return self.call({"kind": "command", "argv": ["/bin/sh", "-c", text], "stdin": None, **asked, **more})
