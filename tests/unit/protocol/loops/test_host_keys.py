"""Which hosts and keys the service accepts: a wrong line in `known_hosts` could trust others, or end connections."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.host_keys import (
    HostKey,
    check_fingerprint,
    check_host,
    parse_key,
    parse_keys,
    place,
)
from ftl2_enterprise.protocol.loops.verbs import TrustHost
from tests.support.data.host_keys import ecdsa, ed25519, packed, rsa
from tests.support.processes.sshd import make_key

if TYPE_CHECKING:
    from pathlib import Path

GOOD = ed25519(1)


def text(kind: str, blob: bytes) -> str:
    return f"{kind} {base64.b64encode(blob).decode()}"


@pytest.mark.parametrize("host", ["web1", "10.0.0.5", "::1", "fe80::1%eth0", "a_b.example-1.com", "x" * 255])
def test_a_name_or_an_address_is_a_host(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize(
    "host",
    ["", " ", "a b", "a\tb", "a\nb", "a,b", "*", "web?", "!web", "@revoked", "@cert-authority", "#web", "|1|a|b",
     "[a]:22", "-oProxyCommand=x", ".", "x" * 256, "wéb", "a\0b", "web\n", "web1 ssh-ed25519 AAAA", "a/8"],
)  # fmt: skip
def test_what_has_another_meaning_in_the_file_is_refused(host: str) -> None:
    with pytest.raises(Problem, match=r"^cannot use .* as a host: it is neither") as refused:
        TrustHost(host=host, port=22, keys=[GOOD.text])
    assert (refused.value.code, refused.value.hint is not None) == (Code.INVALID, True)


@pytest.mark.parametrize("key", [GOOD, ecdsa(1), rsa(1), rsa(1, size=128), rsa(1, size=2048)], ids=str)
def test_keys_of_each_type_are_read(key: HostKey) -> None:
    assert parse_key(key.text) == key


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_and_fingerprints_are_those_of_ssh_keygen(tmp_path: Path, kind: str) -> None:
    make_key(tmp_path / "key", kind)
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True
    )
    key = parse_key(" ".join((tmp_path / "key.pub").read_text().split()[:2]))
    assert key.fingerprint == shown.stdout.split()[1]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "its type '' is unknown"),
        ("ssh-dss AAAA", "its type 'ssh-dss' is unknown"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "is unknown"),
        ("ssh-ed25519", "it is not in its canonical form"),
        ("ssh-ed25519 !", "it is not Base64"),
        ("ssh-ed25519 é", "it is not Base64"),
        (f"{GOOD.text} comment", "it is not Base64"),
        (f"{GOOD.text}\n", "it is not Base64"),
        (GOOD.text.replace(" ", "  "), "it is not Base64"),
        (f"ssh-rsa {GOOD.text.split()[1]}", "it is not a key of the type ssh-rsa"),
        (text("ssh-ed25519", GOOD.blob + b"\0"), "it is not a key"),
        (text("ssh-ed25519", GOOD.blob[:-1]), "it is not a key"),
        (text("ssh-ed25519", packed(b"ssh-ed25519", b"\1" * 31)), "it is not a key"),
        (text("ssh-ed25519", packed(b"ssh-ed25519", b"\1" * 32, b"more")), "it is not a key"),
        (text("ecdsa-sha2-nistp256", packed(b"ecdsa-sha2-nistp256", b"nistp384", b"\4" * 65)), "it is not a key"),
        (text("ecdsa-sha2-nistp256", packed(b"ecdsa-sha2-nistp256", b"nistp256", b"\2" * 65)), "it is not a key"),
        (text("ecdsa-sha2-nistp256", packed(b"ecdsa-sha2-nistp256", b"nistp256", b"")), "it is not a key"),
        (rsa(1, size=64).text, "it is not a key of the type ssh-rsa"),
        (text("ssh-rsa", packed(b"ssh-rsa", b"", b"\1" * 256)), "it is not a key"),
        (text("ssh-rsa", packed(b"ssh-rsa", b"\3", b"\xff" * 256)), "it is not a key"),
        (text("ssh-rsa", packed(b"ssh-rsa", b"\3", b"\0" * 8 + b"\1" * 256)), "it is not a key"),
        ("ssh-rsa " + "A" * 4096, "it is too long"),
    ],
)
def test_what_is_not_a_key_is_refused(key: str, why: str) -> None:
    with pytest.raises(Problem, match=r"^cannot trust a key: ") as refused:
        parse_key(key)
    assert why in refused.value.message
    assert refused.value.code is Code.INVALID


def test_the_number_of_keys_is_limited_and_each_has_its_own_type() -> None:
    assert len(parse_keys([GOOD.text, ecdsa(1).text, rsa(1).text])) == 3
    for texts in ([], [ed25519(number).text for number in range(9)], [GOOD.text, ed25519(2).text]):
        with pytest.raises(Problem, match=r"^cannot trust"):
            parse_keys(texts)


def test_fingerprints_are_checked() -> None:
    assert check_fingerprint("x", f" {GOOD.fingerprint}= ") == GOOD.fingerprint
    for wrong in ("", "MD5:00:11", "SHA256:", GOOD.fingerprint[:-1], f"{GOOD.fingerprint}A", "SHA256:" + "é" * 43):
        with pytest.raises(Problem, match=r"^cannot take .* for --fingerprint"):
            check_fingerprint("--fingerprint", wrong)


def test_a_port_other_than_22_is_part_of_the_name() -> None:
    assert (place("web", 22), place("::1", 2222)) == ("web", "[::1]:2222")
