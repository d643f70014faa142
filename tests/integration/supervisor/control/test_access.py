"""Access by user and group: every verb needs its level, and viewers cannot use up the connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.service.verbs import GetHealth
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.supervisor.control.server import MAX_WATCHES
from tests.integration.supervisor.control.requests import submit
from tests.support.data.host_keys import ed25519
from tests.support.service.control_process import REPOSITORY, ControlProcess, control

if TYPE_CHECKING:
    from collections.abc import Generator

ME = os.geteuid()


ASK = """
import json, os, sys
from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.verb import is_watch
import msgspec
path, uid, groups, bodies = json.loads(sys.argv[1])
# Before this process becomes another user, who may be unable to read the modules that this imports.
requests = {name: msgspec.convert(body, CATALOGUE[name]) for name, body in bodies.items()}
os.setgroups(groups)
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
found = {}
with client.connect(path) as service:
    for name, request in requests.items():
        try:
            if is_watch(CATALOGUE[name]):
                watch = service.watch(request)
                next(watch, None)
                watch.close()
            else:
                service.call(request)
            found[name] = "done"
        except Problem as problem:
            found[name] = problem.code.value
print(json.dumps(found))
"""


FIELDS: dict[str, dict[str, Any]] = {
    "host.find": {"name": "web"},
    "host.find-keys": {"host": "web"},
    "host.trust": {"host": "web", "port": 22, "keys": [ed25519(1).text]},
    "loop.update": {"loop": "web", "spec": {"name": "web", "desired_state": "y"}, "based_on": 1},
    "loop.preview-update": {"loop": "web", "spec": {"name": "web", "desired_state": "y"}, "based_on": 1},
    "loop.preview-rollback": {"loop": "web", "to": 1, "based_on": 1},
    "loop.rollback": {"loop": "web", "to": 1, "based_on": 1},
    "loop.revision": {"loop": "web", "n": 1},
    "loop.revision-file": {"loop": "web", "n": 1, "path": "/x"},
    "loop.submit": {"spec": {"name": "other", "desired_state": "x"}},
    "event.watch": {"after": 0},
    "prompt.answer": {"prompt": 1, "answer": "x"},
    "prompt.approve": {"prompt": 1},
    "prompt.dismiss": {"prompt": 1},
    "prompt.reject": {"prompt": 1},
    "prompt.show": {"prompt": 1},
    "rule.show": {"rule": "x"},
    "rule.enable": {"rule": "x"},
    "rule.disable": {"rule": "x"},
    "text.get": {"digest": "x"},
    "log.watch": {},
    "system.freeze": {"scope": "all", "reason": "x"},
    "system.render": {"view": "status"},
}


def ask_as(service: ControlProcess, uid: int, groups: list[int]) -> dict[str, str]:
    """What each verb does for a user, in groups."""
    bodies = {
        name: {"type": name, **FIELDS.get(name, {"loop": "web"} if "loop" in verb.__struct_fields__ else {})}
        for name, verb in CATALOGUE.items()
    }
    asked = json.dumps([str(service.socket), uid, groups, bodies])
    done = subprocess.run(
        [sys.executable, "-c", ASK, asked], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(ME != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("uid", "groups", "access"),
    [
        (12345, [], None),
        (12345, [40, 7001], Access.VIEW),
        (12346, [], Access.OPERATE),
        (12345, [7002, 7001], Access.OPERATE),
        (12347, [], Access.ADMINISTER),
    ],
)
def test_every_verb_is_refused_below_its_access(uid: int, groups: list[int], access: Access | None) -> None:
    settings = '[access]\nview = ["%7001"]\noperate = ["12346", "%7002"]\nadminister = ["12347"]'
    # Directories of pytest are closed to others.
    with tempfile.TemporaryDirectory() as directory, control(Path(directory), settings=settings) as service:
        service.directory.chmod(0o755)
        submit(service)
        found = ask_as(service, uid, groups)
        assert set(found) == set(CATALOGUE)
        for name, verb in CATALOGUE.items():
            allowed = access is not None and access.includes(verb.access)
            assert (found[name] != "denied") == allowed, f"{name} needs {verb.access}: {found[name]}"
            assert found[name] != "internal"


HOLD = """
import os, sys
from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
path, uid, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
held = []
for _ in range(count):
    try:
        held.append(client.connect(path))
    except Problem as problem:
        assert problem.code.value == "unavailable", problem
print(len(held), flush=True)
sys.stdin.read()
"""


WATCH = """
import json, os, sys
from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.service.verbs import WatchEvents
path, uid, connections, each = sys.argv[1], *map(int, sys.argv[2:])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
kept = []
for _ in range(connections):
    one = client.connect(path)
    for _ in range(each):
        watch = one.watch(WatchEvents(after=0))
        kept.append((one, watch))
        try:
            next(watch)
        except Problem as problem:
            print(json.dumps([len(kept) - 1, problem.message]))
            sys.exit()
"""


@contextmanager
def holding(service: ControlProcess, uid: int, count: int) -> Generator[int]:
    """So many connections that a user tries to keep; how many there are."""
    argv = [sys.executable, "-c", HOLD, str(service.socket), str(uid), str(count)]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdin=-1, stdout=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


@pytest.mark.skipif(ME != 0, reason="only root can become another user")
def test_users_with_less_access_cannot_exhaust_connections(tmp_path: Path) -> None:
    settings = '[supervisor]\nmax_connections = 16\n[access]\nview = ["12346", "12347", "12348"]\noperate = ["12349"]'
    with tempfile.TemporaryDirectory() as directory, control(Path(directory), settings=settings) as service:
        service.directory.chmod(0o755)
        with ExitStack() as held:
            # Without access, viewers, one who may operate: one user has a quarter, and viewers have half of them.
            users = (12345, 12346, 12347, 12348, 12349)
            found = [held.enter_context(holding(service, uid, 20)) for uid in users]
            assert found == [2, 4, 4, 0, 4]
            assert service.call(GetHealth()).counts["connections"] == 15


@pytest.mark.skipif(ME != 0, reason="only root can become another user")
def test_the_watches_of_one_user_are_limited(tmp_path: Path) -> None:
    settings = '[access]\nview = ["12346"]'
    with tempfile.TemporaryDirectory() as directory, control(Path(directory), settings=settings) as service:
        service.directory.chmod(0o755)
        submit(service)
        argv = [sys.executable, "-c", WATCH, str(service.socket), "12346", "6", "50"]
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        begun, refused = json.loads(done.stdout)
        assert begun == MAX_WATCHES
        assert refused.endswith(f"has {MAX_WATCHES} watches, and no more are admitted")
