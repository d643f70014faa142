"""The Debian 13 tree that machines boot from: made once by mmdebstrap from the package mirror, kept in a cache.

`python -m tests.acceptance.systemd.tree` makes what is missing. Why it could not be made is kept too, and
the tests are skipped with that reason.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ftl2-enterprise" / "acceptance"
SUITE = "trixie"
PACKAGES = (
    "systemd", "systemd-sysv", "libpam-systemd", "libnss-systemd", "dbus", "init-system-helpers", "python3", "procps",
    "iproute2", "ca-certificates", "openssh-client", "openssh-server", "sqlite3", "sudo", "rpm", "cron",
    "python3-apt",
)  # fmt: skip
HERE = Path(__file__).parent
CUSTOMIZE = HERE / "customize.sh"
HOST_PACKAGES = ("mmdebstrap", "systemd-container", "e2fsprogs", "iproute2")


@dataclass(frozen=True)
class Tree:
    """What machines boot from; nothing writes to it."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def kernel(self) -> Path:
        """User-mode Linux."""
        return self.directory / "linux.uml"

    @property
    def disk(self) -> Path:
        """The root as a file system, for user-mode Linux."""
        return self.directory / "disk.img"

    @property
    def refused(self) -> Path:
        """Why it could not be made."""
        return self.directory / "refused"

    @property
    def is_complete(self) -> bool:
        return self.disk.exists()


def tree() -> Tree:
    """The tree as this recipe makes it, whether it exists or not."""
    recipe = "\n".join([SUITE, *PACKAGES, CUSTOMIZE.read_text(), (HERE / "agent.py").read_text()])
    return Tree(CACHE / hashlib.sha256(recipe.encode()).hexdigest()[:16])


def why_not(tree: Tree) -> str | None:
    """Why no machine can be booted here; None when one can."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    if missing := [name for name in ("systemd-nspawn", "nsenter", "unshare", "ip") if shutil.which(name) is None]:
        return f"{', '.join(missing)} is not installed (apt-get install {' '.join(HOST_PACKAGES)})"
    script = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/a && mount -t cgroup2 cgroup2 /mnt/a"
    tried = _run("unshare", "-m", "--propagation", "private", "sh", "-c", script)
    if tried.returncode != 0:
        return f"mounting is not allowed here: {tried.stdout.strip()}"
    if not tree.is_complete:
        reason = tree.refused.read_text() if tree.refused.exists() else "`make acceptance` makes it"
        return f"there is no tree to boot from: {reason}"
    return None


def make(tree: Tree) -> None:
    """Make what is missing; two that try at once make it once."""
    tree.directory.mkdir(parents=True, exist_ok=True)
    with (tree.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if tree.is_complete:
            return
        tree.refused.unlink(missing_ok=True)
        _remove(tree.root)
        downloads = tree.directory / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir()
        made = _run(
            "mmdebstrap", "--mode=root", "--variant=minbase", "--components=main", f"--include={','.join(PACKAGES)}",
            f'--customize-hook={CUSTOMIZE} "$1" {HERE} {downloads}', SUITE, str(tree.root),
        )  # fmt: skip
        if made.returncode != 0:
            _remove(tree.root)
            tree.refused.write_text("; ".join(made.stdout.strip().splitlines()[-3:]))
            return
        _kernel(next(downloads.glob("user-mode-linux_*.deb")), tree.kernel)
        shutil.rmtree(downloads)
        disk = tree.disk.with_suffix(".new")
        with disk.open("wb") as file:
            file.truncate(3 << 30)
        _run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-m", "0", "-d", str(tree.root), str(disk), check=True)
        # Last, so that a tree that is there is whole.
        disk.rename(tree.disk)
    _forget_others(tree)


def _remove(root: Path) -> None:
    """Remove a tree, and first what mmdebstrap has mounted in it, if it was killed."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed([one for one in mounted if Path(one).is_relative_to(root)]):
        _run("umount", "--lazy", place)
    shutil.rmtree(root, ignore_errors=True)


def _forget_others(tree: Tree) -> None:
    """Remove trees of other recipes, unless a machine boots from them now."""
    for other in CACHE.iterdir():
        if other != tree.directory and not any((other / "runs").glob("*")):
            shutil.rmtree(other, ignore_errors=True)


def _kernel(package: Path, to: Path) -> None:
    """Only the program; its modules, three times as large, are not needed."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpack:
        assert unpack.stdout is not None
        with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
            for member in archive:
                if member.name.endswith("/linux.uml") and (source := archive.extractfile(member)) is not None:
                    _copy(source, to)
    to.chmod(0o755)


def _copy(source: IO[bytes], to: Path) -> None:
    with to.open("wb") as file:
        shutil.copyfileobj(source, file)


def _run(*argv: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, check=check, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def main() -> int:
    """Make the tree; 1 where no machine can be booted, which is no error: the tests are skipped."""
    found = tree()
    if os.geteuid() == 0 and shutil.which("mmdebstrap") and not found.is_complete:
        print(f"making the Debian 13 tree in {found.directory} (a minute, once) ...", flush=True)
        make(found)
    if reason := why_not(found):
        print(f"the acceptance suite will be skipped: {reason}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
