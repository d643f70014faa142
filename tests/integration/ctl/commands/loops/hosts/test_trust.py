"""Trusting the keys of a host: what is asked of the service, of the host and of the person."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import conflict, unavailable
from ftl2_enterprise.ctl import prompter
from ftl2_enterprise.ctl.loops import host_key_scan
from ftl2_enterprise.protocol.loops.hosts import HostKeys, KeyLine, RecordedKey, TrustResult
from ftl2_enterprise.protocol.loops.verbs import FindHostKeys, TrustHost
from tests.support.data.host_keys import ecdsa, ed25519, rsa

if TYPE_CHECKING:
    from collections.abc import Callable

OLD, NEW = ed25519(1), ed25519(2)
FILE = "/var/lib/ftl2-enterprise/.ssh/known_hosts"


class Person:
    """Answers the question, and remembers it."""

    def __init__(self, *, agrees: bool) -> None:
        self.agrees = agrees
        self.questions: list[str] = []

    def confirms(self, question: str) -> bool:
        self.questions.append(question)
        return self.agrees


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Person]:
    """Puts a person at the terminal."""

    def make(agrees: bool) -> Person:
        made = Person(agrees=agrees)
        monkeypatch.setattr(prompter, "here", lambda out: made)
        return made

    return make


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The hosts that were asked for their keys; each presents NEW and an RSA key."""
    asked: list[tuple[str, int]] = []

    def scan(host: str, port: int) -> list[object]:
        asked.append((host, port))
        return [NEW, rsa(1)]

    monkeypatch.setattr(host_key_scan, "presented_keys", scan)
    return asked


@pytest.fixture
def recorded(service) -> list[RecordedKey]:
    """The keys that the service knows, which a test may add to."""
    known: list[RecordedKey] = []
    service.on(
        FindHostKeys,
        lambda request: HostKeys(host=request.host, port=request.port or 22, file=FILE, keys=known),
    )

    def trust(request: TrustHost) -> TrustResult:
        lines = [KeyLine(type=key.split()[0], fingerprint="SHA256:shown") for key in request.keys]
        return TrustResult(host=request.host, port=request.port, file=FILE, recorded=lines)

    service.on(TrustHost, trust)
    return known


def test_the_keys_are_shown_and_recorded_after_a_yes(service, ctl, recorded, scanned, person) -> None:
    someone = person(True)
    status, out, err = ctl("hosts", "trust", "web1")
    assert (status, err) == (0, "")
    assert scanned == [("web1", 22)]
    assert all(text in out for text in ("web1 port 22", NEW.fingerprint, rsa(1).fingerprint))
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in out
    assert "web1: ssh-ed25519 SHA256:shown recorded" in out
    assert someone.questions == [f"record 2 keys in {FILE} (yes only if the fingerprints match)?"]
    (request,) = service.asked_for(TrustHost)
    assert (request.host, request.port, request.replace) == ("web1", 22, False)
    assert request.keys == [NEW.text, rsa(1).text]


def test_without_a_yes_nothing_is_recorded(service, ctl, recorded, scanned, person) -> None:
    person(False)
    status, out, _ = ctl("hosts", "trust", "web1")
    assert (status, out.splitlines()[-1]) == (1, "nothing was recorded")
    assert not service.asked_for(TrustHost)


def test_without_a_terminal_it_needs_a_fingerprint(service, ctl, recorded, scanned) -> None:
    for words in ([], ["--json"]):
        status, out, err = ctl("hosts", "trust", "web1", *words, stdin="y\n")
        assert status == 2
        assert "cannot trust a host without confirmation: there is no terminal to ask on" in out + err
        assert "--fingerprint" in out + err
    assert not scanned
    assert not service.asked


def test_a_fingerprint_records_that_key_only(service, ctl, recorded, scanned) -> None:
    status, out, _ = ctl("hosts", "trust", "web1", "--fingerprint", f"{NEW.fingerprint}=", "--json")
    assert status == 0
    assert json.loads(out)["recorded"][0]["type"] == "ssh-ed25519"
    assert [request.keys for request in service.asked_for(TrustHost)] == [[NEW.text]]
    both = ["--fingerprint", NEW.fingerprint, "--fingerprint", rsa(1).fingerprint]
    assert ctl("hosts", "trust", "web1", *both)[0] == 0
    assert service.asked_for(TrustHost)[-1].keys == [NEW.text, rsa(1).text]


@pytest.mark.parametrize("given", [[OLD], [NEW, OLD]])
def test_a_fingerprint_that_is_not_presented_is_refused(service, ctl, recorded, scanned, given) -> None:
    words = [word for key in given for word in ("--fingerprint", key.fingerprint)]
    status, out, err = ctl("hosts", "trust", "web1", *words)
    assert (status, out) == (75, "")
    assert f"cannot trust web1: no key that it presents has the fingerprint {OLD.fingerprint}" in err
    assert NEW.fingerprint in err
    assert not service.asked_for(TrustHost)


def test_another_key_is_refused_before_the_question(service, ctl, recorded, scanned, person) -> None:
    someone = person(True)
    recorded.append(RecordedKey(type=OLD.type, fingerprint=OLD.fingerprint, line=3))
    status, _, err = ctl("hosts", "trust", "web1", "--port", "2222")
    assert status == 75
    assert f"cannot trust the ssh-ed25519 key {NEW.fingerprint} of [web1]:2222: line 3 of {FILE}" in err
    assert OLD.fingerprint in err
    assert "--replace" in err
    assert (someone.questions, service.asked_for(TrustHost)) == ([], [])
    status, out, _ = ctl("hosts", "trust", "web1", "--port", "2222", "--replace")
    assert status == 0
    assert f"a different key is recorded in line 3: {OLD.fingerprint}" in out
    assert service.asked_for(TrustHost)[0].replace


def test_recorded_keys_need_no_question(service, ctl, recorded, scanned, person) -> None:
    someone = person(False)
    recorded += [RecordedKey(type=key.type, fingerprint=key.fingerprint, line=1) for key in (NEW, rsa(1), ecdsa(1))]
    status, out, _ = ctl("hosts", "trust", "web1")
    assert status == 0
    assert not someone.questions
    assert f"recorded in line 1, and not presented: {ecdsa(1).type} {ecdsa(1).fingerprint}" in out


@pytest.mark.parametrize(
    ("words", "host", "port"),
    [
        (["web1"], "web1", None),
        (["web1", "--port", "2222"], "web1", 2222),
        (["[web1]:2222"], "web1", 2222),
        (["[::1]:2222"], "::1", 2222),
        (["[::1]"], "::1", None),
        (["::1", "-p", "2222"], "::1", 2222),
    ],
)
def test_a_port_is_written_in_both_ways(service, ctl, recorded, scanned, words, host, port) -> None:
    assert ctl("hosts", "trust", *words, "--fingerprint", NEW.fingerprint)[0] == 0
    (request,) = service.asked_for(FindHostKeys)
    assert (request.host, request.port, request.inventory) == (host, port, None)


def test_the_service_reads_the_inventory(service, ctl, recorded, scanned) -> None:
    service.on(FindHostKeys, HostKeys(host="10.0.0.5", port=2222, file=FILE, keys=[]))
    assert ctl("hosts", "trust", "web1", "-i", "hosts.yaml", "--fingerprint", NEW.fingerprint)[0] == 0
    (request,) = service.asked_for(FindHostKeys)
    assert (request.host, request.port, request.inventory) == ("web1", None, str(Path.cwd() / "hosts.yaml"))
    assert scanned == [("10.0.0.5", 2222)]
    assert service.asked_for(TrustHost)[0].host == "10.0.0.5"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "cannot run `hosts trust` without HOST"),
        (["web1", "web2"], "cannot understand 'web2'"),
        (["web1", "--port", "0"], "cannot take 0 for --port"),
        (["web1", "--port", "65536"], "cannot take 65536 for --port"),
        (["[web1]:0"], "cannot use 0 as a port"),
        (["[web1]:99999"], "cannot use 99999 as a port"),
        (["[web1]:22", "--port", "22"], "cannot use two ports"),
        (["web1", "-p", "22", "-i", "hosts.yaml"], "cannot use a port with --inventory"),
        (["web1", "--fingerprint", "SHA256:short"], "cannot take 'SHA256:short' for --fingerprint"),
        (["web1", "--fingerprint", "MD5:0a:1b"], "cannot take 'MD5:0a:1b' for --fingerprint"),
        (["127.0.0.1:2222"], "cannot use '127.0.0.1:2222' as a host: it contains a port"),
        (["web1", "--yes"], "cannot understand the option --yes"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_asked(
    service, ctl, recorded, scanned, person, words, why
) -> None:
    person(True)
    status, out, err = ctl("hosts", "trust", *words)
    assert (status, out) == (2, "")
    assert why in err
    assert "Traceback" not in err
    assert (scanned, service.asked) == ([], [])


def test_a_host_that_does_not_answer_is_one_sentence(service, ctl, recorded, person, monkeypatch) -> None:
    def scan(host: str, port: int) -> list[object]:
        raise unavailable(f"cannot fetch the keys of {host}: no answer", "check its address")

    person(True)
    monkeypatch.setattr(host_key_scan, "presented_keys", scan)
    status, out, err = ctl("hosts", "trust", "web1")
    assert (status, out) == (69, "")
    assert "cannot fetch the keys of web1: no answer" in err
    assert not service.asked_for(TrustHost)


def test_help_and_completion_do_not_load_what_fetches_keys() -> None:
    code = (
        "import sys; from ftl2_enterprise.commandline import finder; from ftl2_enterprise.ctl.program import FTL2CTL;"
        "finder.every_command(FTL2CTL); print(*{'asyncssh', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_the_refusal_of_the_service_is_shown(service, ctl, recorded, scanned, person) -> None:
    person(True)

    def refuse(request: TrustHost) -> TrustResult:
        raise conflict("cannot change FILE: it is a symbolic link", "see sshd(8)")

    service.on(TrustHost, refuse)
    status, _, err = ctl("hosts", "trust", "web1")
    assert status == 75
    assert "cannot change FILE: it is a symbolic link" in err
