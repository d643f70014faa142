"""The wheel works where nothing else is installed: `uvx` runs both programs from it, without a package index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_packaging import places, wheels

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(300)
UVX = Path(sys.executable).parent / "uvx"
MANIFEST = """\
version: 1
name: greeting
steps:
  - name: greeting
    copy: {dest: "{{ manifest_dir }}/greeting", content: "from a wheel\\n", mode: 0640}
"""


@pytest.fixture(scope="module")
def uvx(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of the wheel in an environment that uv makes from the wheels that `make` has downloaded."""
    work = tmp_path_factory.mktemp("uvx")
    build = places.of_source(work, "1")
    kept = wheels.folder_of(build)
    if not kept.is_dir():
        pytest.skip("the wheels were not downloaded: make .venv/package.stamp")
    wheel = wheels.build_own(build)
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "FTL2", "PYTHON"))
    }
    environ |= {
        "HOME": str(work),
        "UV_CACHE_DIR": str(work / "cache"),
        "UV_FIND_LINKS": str(kept),
        "UV_NO_CONFIG": "1",
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_PYTHON": str(Path(sys.base_prefix) / "bin" / f"python{places.PYTHON}"),
        "UV_PYTHON_DOWNLOADS": "never",
    }

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [UVX, "--from", wheel, *command],
            cwd=work, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_init_db_creates_a_database(uvx, tmp_path: Path) -> None:
    done = uvx("ftl2-enterprise", "--db", tmp_path / "loops.db", "init-db")
    assert done.returncode == 0, done.stderr
    assert f"database created: {tmp_path}/loops.db" in done.stdout


def test_a_manifest_converges(uvx, tmp_path: Path) -> None:
    (tmp_path / "greeting.yaml").write_text(MANIFEST)
    done = uvx("ftl2-enterprise", "--db", tmp_path / "loops.db", "run", tmp_path / "greeting.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "greeting").read_text() == "from a wheel\n"


def test_both_programs_have_the_version_of_the_wheel(uvx, tmp_path: Path) -> None:
    version = places.of_source(tmp_path, "1").version
    assert version in uvx("ftl2-enterprise", "--version").stdout
    assert "usage: ftl2ctl" in uvx("ftl2ctl", "--help").stdout
