"""A third capability is added to the installed program by its own folders and two lines; loops are removed likewise.

The folders are in `tests/support/third_capability`. They are laid over a copy of the package, whose real service and
real `ftl2ctl` are then used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ftl2_enterprise
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.verbs import DeleteLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth, GetVersion
from tests.support.places import REPOSITORY
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.terminal.screen import INVITE, Screen
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(ftl2_enterprise.__path__[0])
OVERLAY = REPOSITORY / "tests" / "support" / "third_capability"
FOLDERS = sorted(path for path in OVERLAY.iterdir() if path.is_dir() and not path.name.startswith("_"))
CAPABILITIES, LINKS = "wiring/capabilities.py", "wiring/links.py"
LINES = {CAPABILITIES: '    "notes",\n', LINKS: '    "notes.links:ARCHIVE_WITH_LOOP",\n'}
PROGRAM = [sys.executable, "-P", "-m", "ftl2_enterprise.entrypoints.ftl2_enterprise"]
CTL = [sys.executable, "-P", "-m", "ftl2_enterprise.entrypoints.ftl2ctl"]
END_OF_LIST = ")  # fmt: skip\n"
SETTINGS = "[notes]\nkeep_archived = 0.00002\n"
"""About two seconds."""
LONG = "a line of a text that is long enough to be stored once\n" * 200
IGNORED = shutil.ignore_patterns("__pycache__")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def copied(directory: Path) -> Path:
    """A copy of the package, in its own directory."""
    package = directory / "installed" / "ftl2_enterprise"
    shutil.copytree(PACKAGE, package, ignore=IGNORED)
    return package


def add_notes(package: Path, *lists: str) -> None:
    """Lay the folders over the copy, and add the lines to these lists."""
    for folder in FOLDERS:
        shutil.copytree(folder, package / folder.name, dirs_exist_ok=True, ignore=IGNORED)
    for name in lists:
        text = (package / name).read_text()
        assert text.count(END_OF_LIST) == 1
        (package / name).write_text(text.replace(END_OF_LIST, LINES[name] + END_OF_LIST))


class Installed:
    """The service and `ftl2ctl` of a copy of the package."""

    def __init__(self, service: Daemon, package: Path) -> None:
        self.service = service
        service.run.env["PYTHONPATH"] = str(package.parent)

    def ctl(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "ftl2_enterprise.entrypoints.ftl2ctl",
                "--socket",
                self.service.socket,
                *words,
            ],
            env=self.service.run.environment(),
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def program(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The other program, `ftl2-enterprise`."""
        return subprocess.run(
            [*PROGRAM, *words],
            env=self.service.run.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def shown(self, *words: str, text: str = "") -> str:
        """What a command prints."""
        done = self.ctl(*words, text=text)
        assert (done.returncode, done.stderr) == (0, ""), (words, done)
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.shown(*words, "--json"))

    def add(self, name: str, text: str) -> int:
        """Add a note; its id."""
        return json.loads(self.shown("add-note", name, "--json", text=text))["id"]

    def kinds(self, subject: str) -> list[str]:
        return [one["kind"] for one in self.json("events", subject)["events"]]

    def pid(self, name: str) -> Any:
        return self.json("show-note", name)["pid"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    directory = tmp_path_factory.mktemp("third")
    package = copied(directory)
    add_notes(package, CAPABILITIES, LINKS)
    with daemon(directory, more=SETTINGS) as service:
        service.run.creates_database = True
        made = Installed(service, package)
        service.start()
        yield made
        assert service.stop() == 0


def test_it_is_its_own_folders_one_line_in_capabilities_and_one_in_links(tmp_path: Path) -> None:
    package = copied(tmp_path)
    add_notes(package, CAPABILITIES, LINKS)
    before, after, own = files(PACKAGE), files(package), {}
    for folder in FOLDERS:
        own |= {f"{folder.name}/{name}": content for name, content in files(folder).items()}
    assert not own.keys() & before.keys()
    # Its own folders, and no file in a folder of the machinery.
    assert not [name for name in own if "notes" not in name.split("/")[:-1]]
    assert after.keys() == before.keys() | own.keys()
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {CAPABILITIES, LINKS}
    for name in changed:
        assert after[name].decode().replace(LINES[name], "", 1) == before[name].decode()
    # Nothing of it is in the package itself.
    assert not [name for name, content in before.items() if b"ftl2_enterprise.notes" in content]


def test_its_commands_call_its_verbs(installed: Installed) -> None:
    note = installed.add("todo", "buy a lamp")
    assert installed.json("show-note", "todo")["note"]["id"] == note
    assert "todo\nbuy a lamp" in installed.shown("show-note", str(note))
    again = installed.ctl("add-note", "todo", text="another")
    assert (again.returncode, "there is one of that name" in again.stderr) == (75, True)
    assert installed.ctl("show-note", "nothing").returncode == 2
    assert "add-note" in installed.shown("help")
    assert "Add a note" in installed.shown("add-note", "--help")


def test_its_facts_are_in_the_event_log_and_in_its_log(installed: Installed) -> None:
    note = installed.add("fact", "a text")
    until(lambda: "note.watched" in installed.kinds("note:fact"))
    assert installed.kinds("fact")[0] == "note.added"
    assert installed.kinds(f"note:{note}") == installed.kinds("fact")
    assert "fact note.added by " in installed.shown("events", "note:fact")
    until(lambda: "note.watched" in installed.shown("logs", "fact"))
    assert "note:fact: note.added" in installed.shown("logs", "note:fact")
    unknown = installed.ctl("events", "no-such-thing")
    assert (unknown.returncode, "there is no loop or note of that name or id" in unknown.stderr) == (2, True)


def test_its_process_is_supervised(installed: Installed) -> None:
    installed.add("watched", "a text")
    # Its first process has recorded its start.
    until(lambda: "note.watched" in installed.kinds("watched"))
    first = installed.pid("watched")
    os.kill(first, signal.SIGKILL)
    until(lambda: installed.pid("watched") not in {first, None})
    until(lambda: installed.kinds("watched").count("note.watched") >= 2)
    facts = installed.json("events", "watched")["events"]
    left = [one["data"] for one in facts if one["kind"] == "note.left"]
    assert left == [{"signal": signal.SIGKILL}], installed.service.output.read_text()
    # Every start follows the recorded end of the process before.
    kinds = [one["kind"] for one in facts if one["kind"] in {"note.watched", "note.left"}]
    assert kinds == ["note.watched", "note.left", "note.watched"], (facts, installed.service.output.read_text())
    # Counted when the manager has run again.
    until(lambda: installed.json("health")["counts"].get("watched", 0) >= 1)


def test_its_settings_are_read_checked_and_reloaded(installed: Installed, tmp_path: Path) -> None:
    installed.add("polite", "a text")
    assert installed.shown("show-note", "polite").startswith("note polite")
    (line,) = installed.json("settings", "notes.greeting")
    assert (line["value"], line["origin"]) == ("note", "default")
    config = installed.service.run
    before = config.config
    try:
        config.config = before.replace("[notes]\n", "[notes]\ngreeting = 'dear'\n")
        (config.directory / "config.toml").write_text(config.config)
        assert "notes.greeting" in installed.shown("reload")
        assert installed.shown("show-note", "polite").startswith("dear polite")
    finally:
        config.config = before
        (config.directory / "config.toml").write_text(before)
    assert "notes.greeting" in installed.shown("reload")
    for text, message in (
        ("[notes]\ngreetings = 'x'\n", "did you mean notes.greeting"),
        ("[notes]\ngreeting = ' '\n", "notes.greeting from"),
        ("[notes]\nkeep_archived = -1\n", "notes.keep_archived from"),
    ):
        wrong = tmp_path / "wrong.toml"
        wrong.write_text(text)
        refused = subprocess.run(
            [*PROGRAM, "--config", str(wrong), "config", "show"],
            env=config.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr


MANIFEST = """
version: 1
name: {name}
steps:
  - name: output
    check: {{path: "{done}"}}
    action: {{module: shell, params: {{cmd: "cat {text}; touch {done}"}}}}
"""


def test_a_loop_that_shares_a_text_is_deleted_and_the_link_archives_its_note(
    installed: Installed, tmp_path: Path
) -> None:
    service = installed.service
    text = tmp_path / "text"
    text.write_text(LONG)
    kept, archived = installed.add("kept", LONG), installed.add("web", LONG)
    loop = service.submit("web", MANIFEST.format(name="web", text=text, done=tmp_path / "done"))
    service.until_state("web", LoopState.COMPLETED)
    ambiguous = installed.ctl("events", "web")
    assert (ambiguous.returncode, f"loop:{loop.id} and note:{archived}" in ambiguous.stderr) == (2, True)
    digests = "SELECT text_digest FROM notes WHERE id = ?"
    ((digest,),) = rows(service.run, digests, kept)
    assert rows(service.run, "SELECT count(*) FROM actions WHERE stdout_digest = ?", digest) == [(1,)]
    service.call(DeleteLoop(loop="web"))
    # The link: the note of that name is archived, once. Its process ends, and retention removes its row.
    until(lambda: "note.removed" in installed.kinds(f"note:{archived}"))
    kinds = installed.kinds(f"note:{archived}")
    assert (kinds.count("note.archived"), kinds.count("note.removed")) == (1, 1)
    assert rows(service.run, digests, archived) == []
    # The text stays for the note that still refers to it.
    assert installed.json("show-note", "kept")["whole"] == LONG
    assert rows(service.run, "SELECT count(*) FROM texts WHERE digest = ?", digest) == [(1,)]
    assert installed.ctl("show-note", "web").returncode == 2


# --- without loops --------------------------------------------------------------------------------------------------

OF_LOOPS = (
    "loops",
    "adapters",
    "protocol/loops",
    "render/loops",
    "commandline/loops",
    "ctl/loops",
    "ctl/commands/loops",
    "wiring/loops",
    "cli/loops",
    "cli/commands/loops",
)
"""The folders of loops."""


def test_without_loops_the_program_starts_and_serves_the_others(tmp_path: Path) -> None:
    package = copied(tmp_path)
    for path in OF_LOOPS:
        shutil.rmtree(package / path)
    text = (package / CAPABILITIES).read_text()
    (package / CAPABILITIES).write_text(text.replace('    "loops",\n', "", 1))
    # Links to loops go with them, and the line of the one of notes is not added.
    text = (package / LINKS).read_text()
    (package / LINKS).write_text(re.sub(r'    "loops\.links:\w+",\n', "", text))
    add_notes(package, CAPABILITIES)
    with daemon(tmp_path, more=SETTINGS) as service:
        service.run.creates_database = True
        installed = Installed(service, package)
        service.start()
        installed.add("alone", "a text")
        until(lambda: "note.watched" in installed.kinds("alone"))
        os.kill(installed.pid("alone"), signal.SIGKILL)
        until(lambda: installed.kinds("alone").count("note.watched") == 2)
        assert "note.watched" in installed.shown("logs", "alone")
        assert {line["key"].partition(".")[0] for line in installed.json("settings")} == {
            "store", "supervisor", "access", "limits", "log", "policy", "notes",
        }  # fmt: skip
        assert "add-note" in installed.shown("help")
        assert installed.ctl("pause", "web").returncode == 2
        helped = installed.program("help")
        assert (helped.returncode, "supervise" in helped.stdout, "  run " in helped.stdout) == (0, True, False)
        unknown = installed.program("run", "site.yaml")
        assert (unknown.returncode, "cannot find a command 'run'" in unknown.stderr) == (2, True)
        environment = {**service.run.environment(), "XDG_STATE_HOME": str(tmp_path / "state")}
        with Screen([*CTL, "--socket", service.socket], environment=environment) as screen:
            # What loops contribute to it is gone: no greeting, no counts, none of their commands.
            screen.see(INVITE, "help lists the commands", " connected")
            screen.type("show\t")
            screen.see(f"{INVITE} show-note")
            screen.enter(" alone")
            screen.see("note alone", "a text")
            screen.enter("pause web")
            screen.see("cannot find a command 'pause'")
            screen.enter("exit")
            assert screen.end() == 0
            assert "the service continues; return with" in screen.text
        assert installed.json("health")["ok"]
        assert service.stop() == 0


def test_an_upgrade_in_place_to_a_program_with_another_schema_is_refused(tmp_path: Path) -> None:
    package = copied(tmp_path)
    with daemon(tmp_path) as service:
        service.run.creates_database = True
        made = Installed(service, package)
        service.start()
        before = service.pids()
        add_notes(package, CAPABILITIES, LINKS)
        made.ctl("upgrade")
        until(lambda: "requires a restart of the service" in service.output.read_text())
        assert "its schema is older than this program" in service.output.read_text()
        assert service.pids() == before
        assert service.stop() == 0
        # A start migrates the database.
        service.start()
        assert made.add("todo", "buy a lamp") > 0
        assert service.stop() == 0


def test_a_forkserver_of_a_program_with_another_schema_forks_nothing_until_a_restart(tmp_path: Path) -> None:
    package = copied(tmp_path)
    with daemon(tmp_path) as service:
        service.run.creates_database = True
        made = Installed(service, package)
        service.start()
        schema = service.call(GetVersion()).schema
        add_notes(package, CAPABILITIES, LINKS)
        service.kill("forkserver")
        problem = (
            f"cannot start processes: the installed program needs schema {schema}+notes_0001, "
            f"the running service has {schema}; restart the service"
        )
        until(lambda: problem in service.call(GetHealth()).problems)
        service.submit("web", MANIFEST.format(name="web", text="/dev/null", done=tmp_path / "done"))
        # A pass of the managers has asked for its process, which does not come.
        begun = service.call(GetHealth()).looked_at
        until(lambda: service.call(GetHealth()).looked_at > begun)
        until(lambda: service.call(GetHealth()).counts["children"] == 1)
        assert service.loop("web").state is LoopState.PENDING
        health = service.call(GetHealth())
        assert (health.ok, health.problems) == (False, [problem])
        assert service.crashes() == []
        assert service.stop() == 0
        service.start()
        service.until_state("web", LoopState.COMPLETED)
        assert made.add("todo", "buy a lamp") > 0
        assert service.stop() == 0
