"""What a member of the group does with the service, and how another user is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.systemd.manifests import HOME, MESSAGE, QUESTION
from tests.support.terminal.screen import Screen

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn


def test_status_shows_what_the_service_does(machine: Machine[Nspawn]) -> None:
    status = machine.run("systemctl", "status", "ftl2-enterprise")
    assert "Active: active (running)" in status
    assert 'Status: "idle"' in status
    machine.submit("greeting", QUESTION)
    machine.until_state("greeting", "waiting")
    machine.until(lambda: "wait" in machine.show("StatusText"))
    assert machine.show("StatusText") in machine.run("systemctl", "status", "ftl2-enterprise", user="mallory")


def test_a_member_of_the_group_submits_a_manifest_that_converges(machine: Machine[Nspawn]) -> None:
    done = machine.submit("message", MESSAGE, "--wait", user="alice")
    assert done.status == 0, done
    assert "converged" in done.out
    assert machine.read(f"{HOME}/message") == "as desired\n"
    # What a loop creates belongs to the service, whichever user has submitted it.
    assert machine.run("stat", "-c", "%U", f"{HOME}/message") == "ftl2-enterprise\n"
    shown = machine.run("ftl2ctl", "show", "message", user="alice")
    assert "converged, in sync" in shown
    assert "alice" in shown
    events = machine.ctl("events", "message", user="alice")["events"]
    assert {"loop.created", "action.succeeded", "loop.converged"} <= {each["kind"] for each in events}


def test_a_user_outside_the_group_is_refused_with_the_reason(machine: Machine[Nspawn]) -> None:
    for refused in (machine.try_("ftl2ctl", "status", user="mallory"), machine.submit("m", MESSAGE, user="mallory")):
        assert refused.status == 77, refused
        assert refused.out == ""
        assert "cannot" in refused.err
        assert "mallory" in refused.err
        assert "usermod -aG ftl2 mallory" in refused.err
        assert "Traceback" not in refused.err
    assert machine.loops() == {}
    # What is for administrators is refused to members too.
    refused = machine.try_("ftl2ctl", "shutdown", user="alice")
    assert refused.status == 77, refused
    assert "administer" in refused.err
    assert machine.is_active()
    # As the hint suggests.
    machine.run("usermod", "-aG", "ftl2", "mallory")
    machine.run("ftl2ctl", "status", user="mallory")


def test_a_question_is_answered_from_the_shell(machine: Machine[Nspawn]) -> None:
    asked = machine.submit("greeting", QUESTION, "--wait", user="alice")
    assert asked.status == 8, asked
    assert "Which greeting?" in asked.out
    # A terminal inside of the machine, as a login gives one.
    shell = machine.argv("env", "TERM=xterm-256color", "script", "-qec", "ftl2ctl", "/dev/null", user="alice")
    with Screen(machine.engine.entering(shell)) as screen:
        screen.see("ftl2ctl>", "1 prompt waits for you: answer")
        screen.enter("answer")
        screen.see("Which greeting?", "1) hello", "2) good day", "(1-2, Enter for later):")
        screen.enter("2")
        screen.see("answered: good day (by alice)", "converged")
        screen.enter("status --all")
        screen.see("greeting", "in sync")
        screen.wait(lambda text: text.count("ftl2ctl>") == 3, what="be ready again")
        screen.type("\x04")
        assert screen.end() == 0
    assert machine.read(f"{HOME}/greeting") == "good day\n"
    (prompt,) = machine.ctl("prompts", "--all")
    assert prompt["prompt"]["answered_by"].startswith("alice")


def test_the_journal_has_fields(machine: Machine[Nspawn]) -> None:
    machine.submit("message", MESSAGE, "--wait")
    machine.submit("other", MESSAGE.replace("message", "other"), "--wait")
    lines = machine.until(lambda: machine.journal("FTL2_LOOP=message"))
    loop = machine.loops()["message"]["id"]
    assert {line["FTL2_LOOP"] for line in lines} == {"message"}
    assert {line["FTL2_LOOP_ID"] for line in lines} == {str(loop)}
    assert machine.journal("FTL2_LOOP=other")
    assert machine.journal("FTL2_LOOP=no-such-loop") == []
    everything = machine.journal()
    assert not [line for line in everything if "Traceback" in str(line["MESSAGE"])]
    assert {line["FTL2_PROCESS"] for line in everything if "FTL2_EVENT" in line} == {"control"}
    assert "message" in machine.run("ftl2ctl", "logs", "message", user="alice")
