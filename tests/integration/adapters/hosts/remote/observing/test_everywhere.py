"""Each built-in observation as an unprivileged user, and through the port: on this machine and over SSH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts import remote
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.gate.effects import Fence
from tests.support.loops.permitted import call_of
from tests.support.processes import gates, sshd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.timeout(180)

GIVEN: list[tuple[str, dict[str, Any], str]] = [
    ("system", {}, "hostname"),
    ("path", {"path": "/etc/passwd", "content": 100}, "sha256"),
    ("processes", {"limit": 2}, "processes"),
    ("sockets", {}, "sockets"),
    ("packages", {"name": "bash"}, "packages"),
    ("http", {"url": "http://127.0.0.1:1/", "timeout": 5}, "reached"),
    ("unit", {"name": "dbus"}, "state"),
    ("units", {"state": "failed"}, "units"),
    ("journal", {"lines": 1}, "entries"),
]
NEEDS_SYSTEMD = {"unit", "units", "journal"}


def check(module: str, key: str, output: dict[str, Any]) -> None:
    """The observation succeeded, or it reports in one sentence what the machine lacks."""
    if module in NEEDS_SYSTEMD and output.get("failed"):
        assert output["msg"].startswith(("cannot observe the unit", "cannot read the journal"))
        assert not Path("/run/systemd/system").exists() or module == "journal"
        return
    assert not output.get("failed"), output
    assert key in output
    assert output["changed"] is False


@pytest.fixture(scope="module")
def readable() -> Iterator[Path]:
    """The code for hosts in a folder that every user may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "ftl2_enterprise/adapters/hosts/remote")
        shutil.copytree(Path(remote.__file__ or "").parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX", name], check=True)
        yield Path(name)


@pytest.mark.parametrize(("module", "params", "key"), GIVEN)
def test_an_unprivileged_user_gets_a_result_or_a_sentence(
    module: str, params: dict[str, Any], key: str, readable: Path
) -> None:
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        "from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe;"
        "print(json.dumps(observe(sys.argv[2], json.loads(sys.argv[3]))))"
    )
    python = sshd.interpreter() if Path(sshd.interpreter()).exists() else sys.executable
    done = subprocess.run(
        [python, "-I", "-B", "-c", program, str(readable), module, json.dumps(params)],
        capture_output=True, text=True, check=False, cwd="/",
        **({"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check(module, key, json.loads(done.stdout))


def test_an_unprivileged_user_gets_the_reason_for_what_it_may_not_read(readable: Path) -> None:
    closed = readable / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("x")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe;"
        "print(observe('path', {'path': sys.argv[2]})['msg'])"
    )
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    done = subprocess.run(
        [sshd.interpreter(), "-I", "-B", "-c", program, str(readable), str(closed / "file")],
        capture_output=True, text=True, check=True, cwd="/", user=65534, group=65534, extra_groups=[],
    )  # fmt: skip
    assert done.stdout == f"cannot observe {closed}/file: Permission denied\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def modules(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ftl2Modules]:
    work = gates.build(tmp_path_factory.mktemp("work"))
    try:
        with sshd.running(tmp_path_factory.mktemp("sshd"), tmp_path_factory.mktemp("home")) as server:
            inventory = Inventory()
            inventory.host("web").update(server.host_vars())
            made = Ftl2Modules(inventory.settle(), work_dir=work, redact=lambda text: text)
            yield made
            await made.close()
    except sshd.CannotStart as error:
        pytest.skip(str(error))


@pytest.mark.ssh
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("host", ["localhost", "web"])
@pytest.mark.parametrize(("module", "params", "key"), GIVEN)
async def test_here_and_over_ssh(
    module: str, params: dict[str, Any], key: str, host: str, modules: Ftl2Modules
) -> None:
    result = await modules.run(call_of(modules, module, params, host=host, fence=Fence.READING))
    output = dict(result.output)
    if result.error is not None:
        output |= {"failed": True, "msg": result.error}
    check(module, key, output)
    assert result.changed is False


@pytest.mark.ssh
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("host", ["localhost", "web"])
async def test_a_hostile_name_fails_before_anything_is_sent(host: str, modules: Ftl2Modules) -> None:
    result = await modules.run(call_of(modules, "unit", {"name": "--root=/"}, host=host))
    assert not result.success
    assert (result.error or "").startswith("cannot use the name '--root=/' of unit")
