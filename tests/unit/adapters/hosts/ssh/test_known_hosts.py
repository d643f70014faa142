"""The lines of `known_hosts`: which are about a host, and what the file is with other keys."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import asyncssh
import pytest

from ftl2_enterprise.adapters.hosts.ssh.known_hosts import keys_of_host, recorded_keys, with_keys
from ftl2_enterprise.core.problem import Code, Problem
from tests.support.data.host_keys import ecdsa, ed25519, rsa

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.host_keys import HostKey
    from ftl2_enterprise.protocol.loops.hosts import KeyLine, TrustResult

OLD, NEW, OTHER = ed25519(1), ed25519(2), ed25519(3)
OTHERS = (
    f"# hosts\n\n  other.example.com,10.0.0.9\t{OTHER.text} its comment\r\n@cert-authority * {OTHER.text}\nbroken\n"
)


def edit(
    data: str, *keys: HostKey, host: str = "web", port: int = 22, replace: bool = False
) -> tuple[str, TrustResult]:
    edited, result = with_keys(data.encode(), host, port, keys, replace=replace, file="FILE")
    return edited.decode(), result


def refused(data: str, *keys: HostKey, **more: object) -> Problem:
    with pytest.raises(Problem) as found:
        edit(data, *keys, **more)  # pyright: ignore[reportArgumentType]
    assert found.value.code is Code.CONFLICT
    assert found.value.hint
    return found.value


def fingerprints(lines: list[KeyLine]) -> list[str]:
    return [line.fingerprint for line in lines]


def hashed(tmp_path: Path, line: str) -> str:
    """The line as `ssh-keygen -H` writes it."""
    file = tmp_path / "hashed"
    file.write_text(line)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    return file.read_text()


def test_new_keys_are_added_and_nothing_else_changes() -> None:
    for data in ("", OTHERS):
        edited, result = edit(data, NEW, rsa(1))
        assert edited == f"{data}web {NEW.text}\nweb {rsa(1).text}\n"
        assert fingerprints(result.recorded) == [NEW.fingerprint, rsa(1).fingerprint]
    assert edit("# no line break", NEW)[0] == f"# no line break\nweb {NEW.text}\n"
    assert edit("", NEW, host="::1", port=2222)[0] == f"[::1]:2222 {NEW.text}\n"


def test_a_recorded_key_changes_nothing() -> None:
    data = f"{OTHERS}web,10.0.0.5 {OLD.text} comment"
    for replace in (False, True):
        edited, result = edit(data, OLD, replace=replace)
        assert edited == data
        assert (fingerprints(result.unchanged), result.recorded, result.replaced) == ([OLD.fingerprint], [], [])


def test_another_port_is_another_host() -> None:
    data = f"web {OLD.text}\n[web]:2222 {OTHER.text}\n"
    assert edit(data, NEW, port=2223)[0] == f"{data}[web]:2223 {NEW.text}\n"
    assert "line 2" in refused(data, NEW, port=2222).message
    assert edit(data, NEW, port=2222, replace=True)[0] == f"web {OLD.text}\n[web]:2222 {NEW.text}\n"


def test_another_key_of_the_type_is_refused_with_both_fingerprints() -> None:
    problem = refused(f"# one\nweb {OLD.text}\n", NEW)
    assert problem.message == (
        f"cannot trust the ssh-ed25519 key {NEW.fingerprint} of web: line 2 of FILE has {OLD.fingerprint}"
    )
    assert "--replace" in (problem.hint or "")
    # Of another type it is one more.
    assert edit(f"web {OLD.text}\n", ecdsa(1))[0] == f"web {OLD.text}\nweb {ecdsa(1).text}\n"


def test_replacing_removes_the_lines_of_that_host_port_and_type_only() -> None:
    kept = f"{OTHERS}[web]:2222 {OTHER.text}\nweb {rsa(1).text}\nweb2 {OLD.text}\n"
    edited, result = edit(f"web {OLD.text}\n{kept}web\t{OTHER.text} twice\n", NEW, replace=True)
    assert edited == f"{kept}web {NEW.text}\n"
    assert fingerprints(result.replaced) == [OLD.fingerprint, OTHER.fingerprint]
    assert fingerprints(result.recorded) == [NEW.fingerprint]


def test_a_line_of_several_hosts_keeps_the_others() -> None:
    edited, _ = edit(f"  alias,web,10.0.0.5 {OLD.text} comment\r\n", NEW, replace=True)
    assert edited == f"  alias,10.0.0.5 {OLD.text} comment\r\nweb {NEW.text}\n"


@pytest.mark.parametrize(("host", "port"), [("web", 22), ("10.0.0.5", 2222)])
def test_hashed_lines_are_lines_of_the_host(tmp_path: Path, host: str, port: int) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    name = host if port == 22 else f"[{host}]:{port}"
    data = hashed(tmp_path, f"{name} {OLD.text}\nother {OTHER.text}\n")
    assert data.startswith("|1|")
    assert [(key.line, key.fingerprint) for key in recorded_keys(data.encode(), host, port)] == [(1, OLD.fingerprint)]
    assert edit(data, OLD, host=host, port=port)[0] == data
    assert "line 1" in refused(data, NEW, host=host, port=port).message
    edited, result = edit(data, NEW, host=host, port=port, replace=True)
    assert edited == data.splitlines(keepends=True)[1] + f"{name} {NEW.text}\n"
    assert fingerprints(result.replaced) == [OLD.fingerprint]


@pytest.mark.parametrize("names", ["*.example.com", "web*,web.example.com", "web.example.co?", "WEB.*"])
def test_a_key_of_a_pattern_is_known_and_is_not_replaced(names: str) -> None:
    data = f"{names} {OLD.text}\n"
    assert edit(data, OLD, host="web.example.com")[0] == data
    assert "line 1 of FILE has" in refused(data, NEW, host="web.example.com").message
    problem = refused(data, NEW, host="web.example.com", replace=True)
    assert "line 1 of FILE is about a pattern of hosts" in problem.message


def test_a_negated_name_is_not_covered() -> None:
    data = f"*.example.com,!web.example.com {OLD.text}\n"
    assert edit(data, NEW, host="web.example.com")[0] == f"{data}web.example.com {NEW.text}\n"


@pytest.mark.parametrize("names", ["web", "*"])
def test_a_revoked_key_is_refused(names: str) -> None:
    data = f"@revoked {names} {NEW.text}\n"
    for replace in (False, True):
        assert "line 1 of FILE revokes it" in refused(data, NEW, replace=replace).message
    assert edit(data, OLD)[0] == f"{data}web {OLD.text}\n"


@pytest.mark.parametrize(
    "line", ["|1|x|y", "|1|", "web", "web ssh-ed25519", "web ssh-ed25519 %%%", "\udcff x", "|2|a|b"]
)
def test_lines_that_cannot_be_read_stay(line: str) -> None:
    data = f"{line}\n".encode("utf-8", "surrogateescape")
    edited, _ = with_keys(data, "web", 22, [NEW], replace=True, file="FILE")
    assert edited == data + f"web {NEW.text}\n".encode()


@pytest.mark.parametrize(("host", "port"), [("web", 22), ("10.0.0.5", 22), ("web", 2222), ("::1", 2222)])
def test_ftl2s_library_and_openssh_understand_the_lines(tmp_path: Path, host: str, port: int) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(edit("", *(made := [ed25519(7), rsa(7)]), host=host, port=port)[0])
    known = asyncssh.read_known_hosts(str(file)).match(host, "192.0.2.1", None if port == 22 else port)
    assert {key.export_public_key().decode().strip() for key in known[0]} == {key.text for key in made}
    name = host if port == 22 else f"[{host}]:{port}"
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", str(file)], capture_output=True, text=True, check=True)
    assert all(key.text in found.stdout for key in made)


def test_names_are_the_same_in_upper_and_lower_case(tmp_path: Path) -> None:
    data = f"WEB,other {OLD.text}\n{hashed(tmp_path, f'db {OTHER.text}\n')}"
    assert [key.line for key in recorded_keys(data.encode(), "Web", 22)] == [1]
    assert [key.line for key in recorded_keys(data.encode(), "DB", 22)] == [2]
    edited, result = edit(data, NEW, host="web", replace=True)
    assert edited.startswith(f"other {OLD.text}\n")
    assert fingerprints(result.replaced) == [OLD.fingerprint]


@pytest.mark.parametrize(
    ("lines", "keys", "authorities", "revoked"),
    [
        ("web OLD", ["OLD"], [], []),
        ("[web]:2222 NEW,web OLD", ["NEW"], [], []),
        ("@cert-authority [web]:2222 NEW,web OLD", ["OLD"], ["NEW"], []),
        ("web OLD,@cert-authority * NEW", ["OLD"], ["NEW"], []),
        ("@revoked [web]:2222 OLD,web OLD", ["OLD"], [], ["OLD"]),
        ("[web]:2222 OLD,@revoked web OLD", ["OLD"], [], ["OLD"]),
        ("@unknown [web]:2222 NEW,web OLD", ["OLD"], [], []),
        ("[web]:22 NEW,10.0.0.5 OLD", [], [], []),
    ],
)
def test_the_lines_that_decide_about_a_host(
    lines: str, keys: list[str], authorities: list[str], revoked: list[str]
) -> None:
    by_name = {"OLD": OLD, "NEW": NEW}
    data = "\n".join(f"{line.rpartition(' ')[0]} {by_name[line[-3:]].text}" for line in lines.split(","))
    found = keys_of_host(data.encode(), "web", 2222)
    expected = ([by_name[name] for name in names] for names in (keys, authorities, revoked))
    assert tuple([line.key for line in lines] for lines in found) == tuple(expected)
