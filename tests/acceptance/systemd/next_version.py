"""Later versions of the package, made of a built one by repacking it."""

from __future__ import annotations

import hashlib
import json
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ftl2_enterprise.store.branches import name_of
from ftl2_enterprise.wiring.migrations import branches

ENVIRONMENT = "usr/lib/ftl2-enterprise"
STORE = "lib/python3.13/site-packages/ftl2_enterprise/store"
WORK = Path("build/package")
"""What the last RPM was made from."""
_LAST = branches().store.revisions[-1]
ADDED = f"{int(_LAST) + 1:04}"
PRESENT = name_of(branches().heads)
NEXT = name_of(branches().heads - {_LAST} | {ADDED})
"""The schema of a later version, whose store has one more migration."""

_HEAD = f'''"""What a later version remembers."""

import sqlalchemy as sa
from alembic import op

revision = "{ADDED}"
down_revision = "{_LAST}"


def upgrade():
'''
CHANGES = """\
    op.add_column("loops", sa.Column("motto", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute("UPDATE loops SET motto = 'once ' || state")
    op.create_table("mottos", sa.Column("loop_id", sa.Integer(), sa.ForeignKey("loops.id"), primary_key=True))
    op.execute("INSERT INTO mottos SELECT id FROM loops")
"""
"""A column with content, and a table that refers to rows; what knows neither is not in their way."""
FAILS = f"""\
{CHANGES}
    op.execute("DELETE FROM actions")
    op.execute("UPDATE loops SET priority = 1000")
"""
"""Stumbles over what is in the rows, after it has changed others."""
FAILS_IN_EARNEST = f"""\
{CHANGES}
    (path,) = {{row[2] for row in op.get_bind().execute(sa.text("PRAGMA database_list")) if row[1] == "main"}}
    if path.endswith("/loops.db"):
        raise OSError("the disk has gone")
"""
"""Works on the copy on which it is rehearsed, and not on the database."""


def successor(package: Path, folder: Path, *, migration: str = "", unit: str = "", release: int = 3) -> Path:
    """The package as a later build would be, whose program has this migration too, or whose unit this at its end."""
    root = folder / "root"
    _run("dpkg-deb", "--raw-extract", package, root)
    if migration:
        _migrate(root / ENVIRONMENT, migration)
    with (root / "usr/lib/systemd/system/ftl2-enterprise.service").open("a") as file:
        file.write(unit)
    control = root / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .*)-\d+$", rf"\1-{release}", control.read_text()))
    _sum_up(root)
    made = folder / re.sub(r"-\d+_", f"-{release}_", package.name)
    # Little compression: it is unpacked once.
    _run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", root, made)
    shutil.rmtree(root)
    return made


def rpm_successor(folder: Path, migration: str, release: int = 3) -> Path:
    """The same for an RPM, which is written anew by what has written the last one."""
    environment = folder / "environment"
    shutil.copytree(WORK / "environment", environment, symlinks=True)
    _migrate(environment, migration)
    described = json.loads((WORK / "nfpm.rpm.yaml").read_text())
    for content in described["contents"]:
        if content["dst"] == f"/{ENVIRONMENT}":
            content["src"] = str(environment)
    described["release"] = str(release)
    described["rpm"]["compression"] = "gzip:1"
    description = folder / "nfpm.yaml"
    description.write_text(json.dumps(described))
    made = folder / f"ftl2-enterprise-{release}.rpm"
    nfpm = Path(sys.executable).parent / "nfpm"
    _run(nfpm, "package", "--config", description, "--packager", "rpm", "--target", made)
    shutil.rmtree(environment)
    return made


def _migrate(environment: Path, migration: str) -> None:
    added = environment / STORE / "migrations" / "versions" / f"{ADDED}_later.py"
    added.write_text(_HEAD + migration)
    _compile(added, environment)


def _compile(source: Path, environment: Path) -> None:
    """As the build does it: byte-code that is loaded without a comparison with the source."""
    py_compile.compile(
        str(source),
        dfile=f"/{ENVIRONMENT}/{source.relative_to(environment)}",
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _sum_up(root: Path) -> None:
    listed = root / "DEBIAN" / "md5sums"
    files = sorted(path for top in root.iterdir() if top.name != "DEBIAN" for path in top.rglob("*"))
    sums = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
        if path.is_file() and not path.is_symlink()
    ]
    listed.write_text("".join(sums))


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
