"""Modules that hang, breed, flood and lie: each becomes a truthful row, and the run survives it."""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.processes import process_marks, survivors
from tests.support.processes.process_marks import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes.command import Command

MIB = 1 << 20
MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024))
sys.exit(status)
"""
"""Runs a command and writes the most memory, in MiB, that it or its helper held at a time."""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    with process_marks.cleared(process_marks.command(tmp_path)) as run:
        yield run


def manifest(command: Command, *steps: dict[str, Any], **top: Any) -> str:
    file = command.directory / "manifest.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "name": "hostile", **top, "steps": list(steps)}, sort_keys=False))
    return str(file)


def step(command: Command, script: str, name: str = "made", **more: Any) -> dict[str, Any]:
    """A step whose action is the script; it is in place when the file of its name exists."""
    check = {"path": str(command.directory / name)}
    return {"name": name, "check": check, "action": {"module": "shell", "params": {"cmd": script}}, **more}


def once(command: Command, *steps: dict[str, Any], options: tuple[str, ...] = (), **top: Any):
    """One iteration of acting: what an action does is seen in the rows, not in a second try."""
    file = manifest(command, *steps, **top)
    return command.run("run", "-f", file, "--non-interactive", "--max-iterations", "1", *options)


def peak(command: Command, *arguments: str) -> tuple[int, int]:
    """Exit status and the most memory in MiB of the run."""
    report = command.directory / "peak"
    argv = [sys.executable, "-ISc", MEASURED, str(report), *command.argv(*arguments)]
    done = subprocess.run(
        argv, env=command.environment(), cwd=command.directory, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=90, check=False,
    )  # fmt: skip
    return done.returncode, int(report.read_text())


def only_action(command: Command) -> tuple[Any, ...]:
    (action,) = rows(command, "select state, changed, rc, error, stdout, stderr from actions")
    return action


# --- time and processes --------------------------------------------------------------------------------------------

HANGING = {
    "it waits": "sleep {mark}",
    "it ignores being asked to end": "trap '' TERM INT HUP; sleep {mark}; sleep {mark}",
    "its children have their own sessions": "setsid sleep {mark} & setsid setsid sleep {mark} & sleep {mark}",
    "its parent ended and it closed its streams": "(setsid sh -c 'sleep {mark}; :' <&- >&- 2>&- &); sleep {mark}",
    "it holds the streams only": "setsid sleep {mark} & exec sleep {mark}",
    "it breeds": "n=0; while [ $n -lt 150 ]; do setsid sleep {mark} & n=$((n+1)); done; touch {base}/bred; wait",
}


@pytest.mark.parametrize("way", HANGING)
def test_an_action_that_hangs_is_killed_with_everything_that_it_started(command, way):
    mark = survivors.mark()
    script = HANGING[way].format(mark=mark, base=command.directory)
    began = time.monotonic()
    done = once(command, step(command, script), options=("--action-timeout", "1.5"))
    assert time.monotonic() - began < 20
    assert done.returncode == 1, done.stdout + done.stderr
    assert survivors.alive(mark) == []
    assert process_marks.none_left(command)
    assert (command.directory / "bred").exists() == (way == "it breeds")
    state, changed, rc, error, *_ = only_action(command)
    assert (state, rc, error) == ("failed", None, "timed out after 1.5 s and was killed")
    assert changed == 1  # what it did before is not known, so it counts as a change
    assert "FAILED" in done.stdout
    assert "timed out after 1.5 s" in done.stdout


def test_the_output_of_an_action_that_hangs_is_kept(command):
    once(command, step(command, "echo begun; echo why >&2; sleep 600"), options=("--action-timeout", "1.5"))
    assert only_action(command)[4:] == ("begun\n", "why\n")


def test_an_observation_that_hangs_is_killed_and_counts_as_failed(tmp_path):
    mark = survivors.mark()
    run = process_marks.command(tmp_path, config="[loops]\nobservation_timeout = 1.5\n")
    with process_marks.cleared(run):
        hung = step(run, "echo no", check={"command": f"setsid sleep {mark} & sleep {mark}"})
        done = once(run, hung, step(run, f"touch {tmp_path}/other", name="other"))
        assert done.returncode == 1, done.stdout + done.stderr
        assert survivors.alive(mark) == []
        assert process_marks.none_left(run)
        seen = rows(run, "select state, error from observations where state = 'failed'")
        assert seen == [("failed", "timed out after 1.5 s and was killed")]


def test_a_daemon_that_an_action_starts_stays_and_does_not_block_the_run(command):
    mark = survivors.mark()
    base = command.directory
    began = time.monotonic()
    # The service has the pipes of its parent, as services that are started carelessly do.
    script = f"setsid sleep {mark} & echo started; touch {base}/made"
    done = command.run("run", "-f", manifest(command, step(command, script)), "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 20
    assert only_action(command)[:3] == ("succeeded", 1, 0)
    left = survivors.alive(mark)
    assert len(left) == 1
    survivors.end(left)


# --- output --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "line", "end"),
    [("stdout", "a line", 0), ("stdout", "", 0), ("stderr", "a line", 0), ("stderr", "a line", 3), ("stderr", "", 3)],
)
def test_eighty_megabytes_of_output_are_truncated_within_bounded_memory(command, stream, line, end):
    base = command.directory
    quiet = peak(command, "run", "-f", manifest(command, step(command, f"touch {base}/made")), "--non-interactive")
    assert quiet[0] == 0
    (base / "made").unlink()
    to = ">&2" if stream == "stderr" else ""
    script = f"yes '{line}' | head -c 80000000 {to}; touch {base}/made; exit {end}"
    file = manifest(command, step(command, script))
    status, memory = peak(command, "run", "-f", file, "--non-interactive", "--name", "flood")
    assert status == 0
    assert memory - quiet[1] < 6 * 16, f"{memory} MiB with the flood, {quiet[1]} MiB without"
    ((state, rc, size, shown, digest),) = rows(
        command,
        f"select a.state, a.rc, a.{stream}_size, a.{stream}, a.{stream}_digest from actions a"
        " join loops l on l.id = a.loop_id where l.name = 'flood'",
    )
    assert (state, rc) == (("failed", 3) if end else ("succeeded", 0))
    dropped = 80_000_000 - 16 * MIB
    assert size == 16 * MIB + len(f"\n[{dropped} more bytes were not kept]\n")
    assert f"[{dropped} more bytes were not kept]" in shown
    assert len(shown) < 5_000
    ((body,),) = rows(command, "select body from texts where digest = ?", digest)
    assert zlib.decompress(body).startswith(f"{line}\n".encode() * 1000)
    assert command.database.stat().st_size < 8 * MIB
    history = command.run("history", "flood", "--actions", "--json")
    assert len(history.stdout) < 30_000


def test_an_observation_with_too_much_output_needs_bounded_memory_and_is_not_in_sync(command):
    quiet = peak(command, "run", "-f", manifest(command, step(command, "true")), "--max-iterations", "1")
    flood = step(command, "true", check={"command": "yes '' | head -c 80000000 >&2; exit 1"})
    status, memory = peak(command, "run", "-f", manifest(command, flood), "--max-iterations", "1")
    assert (quiet[0], status) == (1, 1)
    assert memory - quiet[1] < 12 * 16, f"{memory} MiB with the flood, {quiet[1]} MiB without"


def test_output_that_is_not_text_is_kept_with_replacements(command):
    base = command.directory
    script = r"printf 'out \377\376\000 \303\251 \ud800\n'; printf 'why \200\n' >&2; exit 5"
    done = once(command, step(command, script))
    assert done.returncode == 1, done.stdout + done.stderr
    state, _, rc, error, stdout, stderr = only_action(command)
    assert (state, rc, error) == ("failed", 5, "exit status 5: why \ufffd")
    assert stdout.startswith("out \ufffd\ufffd")
    assert " \u00e9 " in stdout
    assert stderr == "why \ufffd\n"
    seen = step(command, f"touch {base}/made", check={"command": r"printf '\377\376'; test -e " + f"{base}/made"})
    file = manifest(command, seen)
    again = command.run("run", "-f", file, "--non-interactive", "--name", "seen")
    assert again.returncode == 0, again.stdout + again.stderr
    assert command.run("history", "seen", "--actions", "--json").returncode == 0


def test_a_command_that_fails_without_output_has_its_exit_status_as_reason(command):
    done = once(command, step(command, "exit 7"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert only_action(command) == ("failed", 1, 7, "exit status 7", "", "")
    assert "exit status 7" in done.stdout


def test_a_command_that_a_signal_ends_is_a_failure(command):
    done = once(command, step(command, "kill -SEGV $$"))
    assert done.returncode == 1, done.stdout + done.stderr
    state, _, rc, error, *_ = only_action(command)
    assert (state, rc, error) == ("failed", -11, "exit status -11")


# --- an observation of five megabytes ------------------------------------------------------------------------------

LARGE = "seq 1 720000; test ! -e {base}/made || echo END-SEEN"
"""Five megabytes whose last line is what counts."""


def large(command: Command) -> str:
    base = command.directory
    observe = [{"name": "large", "module": "shell", "params": {"cmd": LARGE.format(base=base)}}]
    by_check = {
        "name": "made",
        "check": {
            "command": LARGE.format(base=base),
            "expect": [{"path": "stdout", "op": "contains", "value": "END-SEEN"}],
        },
        "action": {"module": "shell", "params": {"cmd": f"echo made >> {base}/effects; touch {base}/made"}},
    }
    by_view = {
        "name": "after",
        "when": "'END-SEEN' in observed.large.stdout",
        "check": {"path": f"{base}/after"},
        "action": {"module": "shell", "params": {"cmd": f"echo after >> {base}/effects; touch {base}/after"}},
    }
    return manifest(command, by_check, by_view, observe=observe)


@pytest.mark.parametrize("fault", [None, "observations-recorded", "observations-recorded#2", "action-started"])
def test_an_observation_of_five_megabytes_is_evaluated_whole_stored_once_and_shown_short(command, fault):
    file = large(command)
    done = command.run("run", "-f", file, "--non-interactive", "--name", "large", fault=fault and f"{fault}=kill")
    if fault is not None:
        assert done.returncode == -9
        done = command.run("run", "--resume", "large", "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted((command.directory / "effects").read_text().split()) == ["after", "made"]
    # Seen in every iteration and by two observers, it is stored once before the change and once after it.
    sizes = [size for (size,) in rows(command, "select size from texts where size > 1000000 order by size")]
    assert len(sizes) == 2
    assert sizes[0] > 4_900_000
    shown = rows(command, "select max(length(result)), count(*) from observations where result_size > 1000000")
    assert shown[0][0] < 5_000
    assert shown[0][1] >= 4
    assert max(length for (length,) in rows(command, "select length(data) from events")) < 10_000
    assert command.database.stat().st_size < 8 * MIB
    for words in (["history", "large", "--actions"], ["history", "large", "--json"], ["status", "--all", "--json"]):
        done = command.run(*words)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout) < 50_000


# --- lies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("copyy", "cannot find the module copyy; did you mean copy?"),
        (
            "acme.tools.nowhere",
            "cannot find the module acme.tools.nowhere: the collection acme.tools is not below any",
        ),
        ("raw", "cannot use the module raw: FTL2 reports success for it without doing anything; use command"),
        ("ansible.builtin.script", "FTL2 reports success for it without doing anything; use copy, then command"),
        ("set_fact", "cannot use the module set_fact"),
    ],
)
def test_an_unknown_or_empty_module_is_refused_with_a_reason(command, module, message):
    command.creates_database = True
    one = {"name": "made", "check": {"path": str(command.directory / "made")}}
    done = once(command, {**one, "action": {"module": module, "params": {"cmd": f"touch {command.directory}/made"}}})
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert not command.database.exists()
    assert not (command.directory / "made").exists()


def collection_module(command: Command, body: str) -> dict[str, Any]:
    """A step with a module of the user, in a collection in the directory where the run is started."""
    folder = command.directory / "collections" / "ansible_collections" / "acme" / "tools" / "plugins" / "modules"
    folder.mkdir(parents=True)
    (folder / "own.py").write_text(body)
    return {
        "name": "made",
        "check": {"path": str(command.directory / "made")},
        "action": {"module": "acme.tools.own", "params": {}},
    }


FALSE_RESULTS = {
    "nothing": ("", "failed", "the module returned no result"),
    "an empty object": ("print('{}')", "failed", "the module returned no result"),
    "no object": ("print('[1, 2]'); print('all is fine')", "failed", "the module crashed: all is fine"),
    "half an object": ("print('{\"changed\": tr', end='')", "failed", 'the module crashed: {"changed": tr'),
    "success, but it ended badly": ("import os; os.write(1, b'{\"rc\": 0}'); os._exit(4)", "failed", "exit status 4"),
    "an exception": ("raise OSError(2, 'no such thing')", "failed", "no such thing"),
    "success, but it failed": ("print('{\"changed\": true, \"failed\": true, \"msg\": \"no\"}')", "failed", "no"),
    "success, and nothing was done": ("print('{\"changed\": true, \"msg\": \"all done\"}')", "succeeded", None),
    "not UTF-8": ("import os; os.write(1, b'{\"msg\": \"\\xff\", \"failed\": true}')", "failed", "\ufffd"),
    "20 MB": ("print('{\"msg\": \"' + 'x' * 20_000_000 + '\"}')", "failed", "result is larger than 16 MiB"),
    "a number without end": ("print('{\"n\": ' + '9' * 4000 + '}')", "succeeded", None),
    "very deep": ("print('{\"a\":' * 100_000 + '1' + '}' * 100_000)", "failed", "the module crashed"),
    "deep": ("print('{\"a\":[' * 300 + '1' + ']}' * 300)", "failed", "is nested more than 100 deep"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FALSE_RESULTS)
def test_a_module_that_reports_a_false_result_does_not_converge_the_loop(command, kind):
    body, state, error = FALSE_RESULTS[kind]
    done = once(command, collection_module(command, body))
    # What counts is what is observed afterwards, not what a module reports.
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    recorded = only_action(command)
    assert recorded[0] == state, recorded
    assert error is None or error in recorded[3], recorded


def test_an_action_that_kills_its_supervisor_is_unknown_and_the_rest_continues(command):
    mark = survivors.mark()
    killing = step(command, f"kill -9 $PPID; sleep {mark}")
    done = once(command, killing, step(command, f"touch {command.directory}/other", name="other"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert rows(command, "select state, error from actions order by n") == [
        ("unknown", "the helper process ended without a reply"),
        ("succeeded", None),
    ]
    assert "UNKNOWN" in done.stdout
    assert "FAILED" not in done.stdout
    survivors.end(survivors.alive(mark))
