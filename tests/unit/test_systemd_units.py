"""The units: what systemd's own tools report of them, and that they agree with the program."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ftl2_enterprise.core import paths
from ftl2_enterprise.core.settings.sections import SupervisorSettings
from ftl2_enterprise.supervisor.root import config, core_processes, main

DIRECTORY = Path("systemd")
SERVICE, SOCKET = DIRECTORY / "ftl2-enterprise.service", DIRECTORY / "ftl2-enterprise.socket"
EXPOSURE = 2.0


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False)
    if "Unknown command" in done.stderr or "unrecognized option" in done.stderr:
        pytest.skip(f"this systemd-analyze is too old for {words[0]}")
    return done


def _version() -> int:
    match = re.match(r"systemd (\d+)", _analyze("--version").stdout)
    assert match
    return int(match[1])


def _values(path: Path, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parser.read(path)
    return dict(parser[section])


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)(s|min|ms)?", text)
    assert match
    return int(match[1]) * {"ms": 0.001, "s": 1, "min": 60, None: 1}[match[2]]


def test_the_service_is_hardly_exposed() -> None:
    done = _analyze("security", "--offline=true", "--no-pager", str(SERVICE))
    match = re.search(r"Overall exposure level for ftl2-enterprise.service: ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match[1]) <= EXPOSURE


def test_the_service_that_runs_as_root_keeps_its_home() -> None:
    # The keys and the known hosts of ssh are below it.
    home = _values(DIRECTORY / "examples" / "local-root.conf", "Service")["Environment"].removeprefix("HOME=")
    assert home == f"/var/lib/{_values(SERVICE, 'Service')['StateDirectory']}"


@pytest.mark.parametrize("example", [None, *sorted((DIRECTORY / "examples").glob("*.conf"))])
def test_systemd_finds_no_fault(tmp_path: Path, example: Path | None) -> None:
    for unit in (SERVICE, SOCKET):
        # What the package will have put there.
        text = unit.read_text().replace("/usr/bin/ftl2-enterprise", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    if example is not None:
        (tmp_path / f"{SERVICE.name}.d").mkdir()
        shutil.copy(example, tmp_path / f"{SERVICE.name}.d")
    done = _analyze(
        "verify", "--man=no", "--recursive-errors=no", *(str(tmp_path / unit.name) for unit in (SERVICE, SOCKET))
    )
    messages = [line for line in done.stderr.splitlines() if "ftl2-enterprise" in line or str(tmp_path) in line]
    if _version() < 254:
        # Debian 12 has 252: it does not know yet what came with 253 and 254.
        newer = "notify-reload|RestartSteps|RestartMaxDelaySec|ImportCredential|DelegateSubgroup"
        messages = [line for line in messages if not re.search(newer, line)]
    assert messages == []


def test_the_timeouts_of_the_unit_cover_those_of_the_program() -> None:
    service = _values(SERVICE, "Service")
    defaults = config.DEFAULTS
    drain = SupervisorSettings().drain_timeout
    # Loops, control, writer.
    assert _seconds(service["TimeoutStopSec"]) >= drain + 2 * float(str(defaults["end_timeout"]))
    assert _seconds(service["TimeoutStartSec"]) > float(str(defaults["import_timeout"]))
    # Root replaces a control that is silent before systemd replaces root.
    assert _seconds(service["WatchdogSec"]) > float(str(defaults["alive_within"]))


def test_permanent_failures_are_not_restarted_and_others_are() -> None:
    prevented = {int(word) for word in _values(SERVICE, "Service")["RestartPreventExitStatus"].split()}
    assert prevented == {2, core_processes.HOPELESS}
    # Everything else is retried indefinitely.
    assert _values(SERVICE, "Service")["Restart"] == "on-failure"
    assert _values(SERVICE, "Unit")["StartLimitIntervalSec"] == "0"
    text = (DIRECTORY.parent / "docs" / "reference" / "exit-status.md").read_text().partition("## The service")[2]
    again = {int(status): word for status, word in re.findall(r"^\| (\d+) \|.*\| (yes|no) \|$", text, re.MULTILINE)}
    assert {status for status, word in again.items() if word == "no"} == prevented | {0}
    assert {core_processes.GIVEN_UP, main.NOT_MADE, main.TAKEN, 69} <= {
        status for status in again if again[status] == "yes"
    }
    trouble = (DIRECTORY.parent / "docs" / "how-to" / "troubleshoot.md").read_text()
    assert all(f"({status}" in trouble or f"status {status}" in trouble for status in again if status)


def test_the_directories_of_the_unit_are_those_of_the_program() -> None:
    service, socket = _values(SERVICE, "Service"), _values(SOCKET, "Socket")
    directories = {
        f"{kind.upper()}_DIRECTORY": f"/{where}/{service[f'{kind}Directory']}"
        for kind, where in (("State", "var/lib"), ("Logs", "var/log"), ("Configuration", "etc"), ("Runtime", "run"))
    }
    assert paths.socket_path(directories) == socket["ListenStream"] == f"{paths.RUN}/{paths.SOCKET}"
    assert paths.config_dir(directories) == paths.ETC
    assert paths.log_dir(directories) == f"/var/log/{paths.NAME}"
    assert paths.state_dir(directories) == f"/var/lib/{paths.NAME}"
    assert service["RuntimeDirectoryPreserve"] == "yes"


def test_the_unit_has_what_root_needs() -> None:
    service = _values(SERVICE, "Service")
    assert service["Type"] == "notify-reload"
    assert service["KillMode"] == "mixed"
    assert set(service["Delegate"].split()) == {"memory", "pids", "cpu"}
    assert service["DelegateSubgroup"]
    assert service["OOMPolicy"] == "continue"
    assert int(service["FileDescriptorStoreMax"]) >= 1
    assert service["ImportCredential"] == "ftl2.*"
    # Root takes this socket by its path: the name `control` is that of one that it has bound on its own.
    assert "FileDescriptorName" not in _values(SOCKET, "Socket")


def test_the_user_of_the_service_is_created_and_owns_its_directories() -> None:
    service = _values(SERVICE, "Service")
    users = (DIRECTORY / "sysusers.conf").read_text()
    assert re.search(rf"^u {service['User']} ", users, re.MULTILINE)
    assert service["Group"] == service["User"]
    assert re.search(r"^g ftl2 ", users, re.MULTILINE)
    files = (DIRECTORY / "tmpfiles.conf").read_text()
    assert re.search(rf"^d {paths.RUN} 0755 {service['User']} {service['Group']} ", files, re.MULTILINE)
