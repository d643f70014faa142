"""An upgrade by apt, from the build before: what ran goes on, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.conftest import Packages, install
from tests.acceptance.systemd.manifests import HOME, MESSAGE, QUESTION, long

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

GATE = f"{HOME}/gate"
GATED = long("gated", f"touch {HOME}/begun; until test -e {GATE}; do sleep 0.1; done; touch {HOME}/done",
             until=f"{HOME}/done")  # fmt: skip


@pytest.fixture
def running(bare: Machine[Nspawn], packages: Packages) -> Machine[Nspawn]:
    """The build before, with a loop that has ended, one that waits for a person, one that rests, one at work."""
    install(bare, packages.previous)
    bare.add_user("alice", "ftl2")
    bare.write("/etc/ftl2-enterprise/conf.d/quick.toml", "[supervisor]\nsplay = 0\ndrain_timeout = 3\n")
    bare.run("systemctl", "restart", "ftl2-enterprise")
    bare.submit("message", MESSAGE, "--wait", user="alice")
    bare.submit("rests", MESSAGE.replace("message", "rests"), "--mode", "continuous", "--interval", "2")
    bare.submit("greeting", QUESTION, user="alice")
    bare.submit("gated", GATED, user="alice")
    bare.until_state("greeting", "waiting")
    bare.until(lambda: bare.exists(f"{HOME}/begun"))
    return bare


def test_loops_go_on_after_an_upgrade(running: Machine[Nspawn], packages: Packages) -> None:
    before = running.pids()["control"]
    said = install(running, packages.present)
    assert "Traceback" not in said
    running.until_well()
    running.until(lambda: running.pids()["control"] != before)
    assert running.run("dpkg-query", "-W", "-f", "${Version}", "ftl2-enterprise").endswith("-2")
    loops = running.loops()
    assert set(loops) == {"message", "rests", "greeting", "gated"}
    assert loops["message"]["state"] == "completed"
    (prompt,) = running.ctl("prompts", user="alice")
    running.run("ftl2ctl", "answer", str(prompt["prompt"]["id"]), "hello", user="alice")
    running.until_state("greeting", "completed")
    running.run("touch", GATE)
    running.until_state("gated", "completed")
    # What is drifting is seen and mended by the new version.
    running.run("rm", f"{HOME}/rests")
    running.until(lambda: running.exists(f"{HOME}/rests"))
    assert running.show("NRestarts") == "0"


def test_an_upgrade_leaves_a_stopped_service_alone(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.previous)
    bare.submit("message", MESSAGE, "--wait")
    bare.run("systemctl", "disable", "--now", "ftl2-enterprise")
    install(bare, packages.present)
    assert not bare.is_active()
    assert bare.try_("systemctl", "is-enabled", "ftl2-enterprise").out == "disabled\n"
    bare.run("systemctl", "start", "ftl2-enterprise")
    assert bare.loops()["message"]["state"] == "completed"


def test_settings_that_were_changed_are_kept_without_a_question(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.previous)
    text = bare.read("/etc/ftl2-enterprise/config.toml") + "\n[log]\nlevel = 'debug'\n"
    text = text.replace("\n[log]\n", "\n", 1) if text.count("\n[log]\n") == 2 else text
    bare.write("/etc/ftl2-enterprise/config.toml", text)
    install(bare, packages.present)
    assert bare.read("/etc/ftl2-enterprise/config.toml") == text
    bare.until_well()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(bare: Machine[Nspawn], packages: Packages) -> None:
    install(bare, packages.present)
    bare.submit("message", MESSAGE, "--wait")
    bare.run("systemctl", "stop", "ftl2-enterprise")
    bare.run("sqlite3", f"{HOME}/loops.db", "UPDATE alembic_version SET version_num = '9999'")
    before = bare.run("sha256sum", f"{HOME}/loops.db")
    assert bare.try_("systemctl", "start", "ftl2-enterprise").status != 0
    # It does not mend itself, so nobody tries again.
    assert bare.show("Result") == "exit-code"
    assert bare.show("NRestarts") == "0"
    said = "".join(str(line["MESSAGE"]) for line in bare.journal())
    assert "cannot" in said
    assert "newer" in said
    assert "Traceback" not in said
    assert bare.run("sha256sum", f"{HOME}/loops.db") == before
