"""Secrets leave no trace in texts and values."""

from __future__ import annotations

import base64
import json
import shlex
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.redact import MASK, Redactor, contains_mask, is_sensitive, names_secret
from ftl2_enterprise.protocol.loops.decision import ActionSpec

SECRET = "p@ss w0rd/'x\"+ü"

secrets = st.text(min_size=4, max_size=30).filter(lambda text: text.strip() and text not in MASK)


def leaks(secret: str, text: str) -> bool:
    """Whether the secret stands in what is left around the masks."""
    return any(secret in piece for piece in text.split(MASK))


def texts_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for name, item in value.items() for text in (name, *texts_of(item))]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    # A boolean or nothing cannot carry a secret, although "False" contains the text "Fals".
    return [] if value is None or isinstance(value, bool) else [str(value)]


@given(secrets, st.text(), st.text())
def test_a_known_secret_never_survives_in_a_text(secret: str, before: str, after: str) -> None:
    assert not leaks(secret, Redactor([secret]).text(before + secret + after))


@given(st.lists(secrets, min_size=1, max_size=4), st.data())
def test_known_secrets_never_survive_in_a_value(values: list[str], data: st.DataObject) -> None:
    piece = st.sampled_from(values) | st.text(max_size=5)
    texts = st.lists(piece, max_size=4).map("".join)
    leaves = texts | st.integers() | st.none() | st.booleans()
    value = data.draw(
        st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
    )
    for text in texts_of(Redactor(values).value(value)):
        for secret in values:
            assert not leaks(secret, text)


@given(secrets)
def test_an_encoded_secret_is_hidden(secret: str) -> None:
    raw = secret.encode("utf-8", "surrogatepass")
    redactor = Redactor([secret])
    written = [json.dumps(secret), json.dumps(json.dumps(secret)), shlex.quote(secret), quote(raw, safe="")]
    written += [quote_plus(raw), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), raw.hex()]
    for form in written:
        assert MASK in redactor.text(f"a {form} b"), form


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "abcd"])
def test_it_is_found_in_basic_authentication_whatever_the_user_is_called(user: str) -> None:
    header = base64.b64encode(f"{user}:hunter2-and-more".encode()).decode()
    shown = Redactor(["hunter2-and-more"]).text(f"sent {header} to the server")
    assert MASK in shown
    assert header not in shown


def test_the_longest_secret_is_replaced_first() -> None:
    assert Redactor(["hunter", "hunter2000"]).text("x hunter2000 y hunter z") == f"x {MASK} y {MASK} z"


def test_each_line_of_a_secret_is_hidden() -> None:
    redactor = Redactor(["first line of it\nshort\nsecond line of it\n"])
    assert redactor.text("grep: second line of it") == f"grep: {MASK}"
    assert redactor.text("> first line of it\n> short") == f"> {MASK}\n> short"


def test_a_value_that_is_too_short_is_not_redacted() -> None:
    assert Redactor(["abc", ""]).text("abcabc") == "abcabc"


def test_a_number_that_is_the_secret_is_hidden() -> None:
    assert Redactor(["123456"]).value({"pin": 123456, "port": 22, "ok": True}) == {
        "pin": MASK,
        "port": 22,
        "ok": True,
    }


def test_the_repr_of_a_redactor_has_no_secret() -> None:
    redactor = Redactor(["hunter2000"])
    assert "hunter2000" not in f"{redactor} {redactor!r}"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "DB_PASSWORD",
        "dbPassword",
        "ansible_become_pass",
        "passwd",
        "passphrase",
        "token",
        "access_token",
        "apiKey",
        "api_key",
        "x-api-key",
        "private_key",
        "Authorization",
        "credentials",
        "client_secret",
        "AWS_SECRET_ACCESS_KEY",
        "login_password",
        "vault_token",
    ],
)
def test_the_value_of_a_sensitive_name_is_hidden(name: str) -> None:
    assert is_sensitive(name)
    assert Redactor().value({"a": [{name: "x"}]}) == {"a": [{name: MASK}]}


@pytest.mark.parametrize(
    "name",
    [
        "token_count",
        "password_file",
        "no_log",
        "compass",
        "bypass",
        "monkey",
        "public_key",
        "key",
        "update_password",
        "getent_passwd",
        "password_expire_max",
        "token_type",
        "secret_name",
        "secretary",
        "tokenizer",
        "private_key_path",
        "author",
        "pass_through",
        "max_tokens",
        "",
    ],
)
def test_a_name_that_resembles_a_sensitive_one_is_not_hidden(name: str) -> None:
    assert not is_sensitive(name)
    assert Redactor().value({name: "x"}) == {name: "x"}


def test_the_structure_below_a_sensitive_name_stays() -> None:
    value = {"credentials": {"user": "root", "9f8e7d": "x", "on": True}, "password": None, "input_tokens": 7}
    assert Redactor().value(value) == {
        "credentials": {"user": MASK, MASK: MASK, "on": True},
        "password": None,
        "input_tokens": 7,
    }


def test_a_known_secret_as_a_key_below_a_sensitive_name_is_hidden() -> None:
    assert Redactor(["swordfish"]).value({"tokens": {"swordfish": "x"}}) == {"tokens": {MASK: MASK}}


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\nZXktdjE=\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"before\n{KEY}\nafter", f"before\n{MASK}\nafter"),
        (json.dumps({"k": KEY}), json.dumps({"k": MASK})),
        (KEY[:55], MASK),
        ("git clone https://me:s3cr3t@example.org/x", f"git clone https://me:{MASK}@example.org/x"),
        ("redis://:s3cr3t@h:6379/0", f"redis://:{MASK}@h:6379/0"),
        ("mysql --password=s3cr3t -e 'x'", f"mysql --password={MASK} -e 'x'"),
        ('{"db_password": "a\\"b", "x": 1}', f'{{"db_password": "{MASK}", "x": 1}}'),
        ('"{\\"token\\": \\"abc\\"}"', f'"{{\\"token\\": \\"{MASK}\\"}}"'),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("curl -H 'X: bearer 0123456789abcdef'", f"curl -H 'X: bearer {MASK}'"),
        ("api_key = 'k 1'", f"api_key = '{MASK}'"),
        ("token: abc\nnext", f"token: {MASK}\nnext"),
    ],
)
def test_secrets_in_texts_are_hidden_by_their_context(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "passwd: files systemd",
        "password=$(cat f)",
        'password: "{{ db_password }}"',
        "token_count=5",
        "PasswordFile=/x",
        "https://h:8080/a@b",
        "http://h/x?y=1",
        "PermitEmptyPasswords no",
        "password=",
        "token: null",
        "a bearer of news",
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        f"password={MASK}",
    ],
)
def test_harmless_texts_are_unchanged(text: str) -> None:
    assert Redactor().text(text) == text


@given(st.text(alphabet="pasword=: \"'\\{}[]\n/@-BEGINPRVATKY", max_size=200))
def test_what_was_redacted_stays_as_it_is(text: str) -> None:
    redactor = Redactor(["wordpass"])
    once = redactor.text(text)
    assert redactor.text(once).count(MASK) >= once.count(MASK)


def test_what_json_cannot_hold_becomes_text() -> None:
    spec = ActionSpec(module="uri", params={"url_password": "x", "url": "u"})
    value = {1: Path("/x"), "b": b"s3cr3t\xff", "s": {1}, "n": float("nan"), "spec": spec}
    shown = Redactor(["s3cr3t"]).value(value)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert shown["b"].startswith(MASK)
    assert shown["spec"]["params"] == {"url_password": MASK, "url": "u"}


def test_a_recursive_value_is_bounded() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "[too deep]" in json.dumps(Redactor().value(endless))


def test_the_mask_is_found_again() -> None:
    assert contains_mask({"a": [1, {"b": f"x{MASK}y"}]})
    assert contains_mask({MASK: 1})
    assert not contains_mask({"a": [1, {"b": "redacted"}], "n": None})


@pytest.mark.parametrize(
    "piece",
    [
        "the quick brown fox jumps over\n",
        "password=abc token: x\n",
        "passwordpassword ",
        "-----BEGIN PRIVATE KEY-----",
        "http://a:b@c ",
        "://a:",
        'password="',
        'password=\\"',
        "password=\\",
        "bearer ",
        "hunter2sec",
        "00000000: 6865 6c6c 6f20 776f 726c 640a            hello world.\n",
        "0000000   h   e   l   l   o  \\n\n",
        "0000000 104 101 108 108 111  10\n",
        "1a2b3c4 add a fact\n",
        "    ",
        "a+b/c==\\n ",
    ],
)
def test_five_megabytes_are_redacted_quickly(piece: str) -> None:
    redactor = Redactor(["hunter2secret", SECRET, "a line of a secret\nanother line of it"])
    text = piece * (5_000_000 // len(piece))
    began = time.process_time()
    redactor.text(text)
    # Anything that is not linear needs minutes here; the limit leaves room for a busy machine.
    assert time.process_time() - began < 6


@pytest.mark.parametrize(
    "name",
    ["token", "secret", "password", "db password", "my-token", "passwd", "API_KEY", "motd", "tokens", "token "],
)
def test_a_text_names_a_secret_if_what_follows_it_is_masked(name: str) -> None:
    assert names_secret(name) == (Redactor().text(f"{name}: /etc/motd") != f"{name}: /etc/motd")


def test_the_value_of_a_secret_parameter_stays_masked() -> None:
    action = {"module": "user", "params": {"password": "/etc/motd", "token": "x"}, "step": "token", "n": 1}
    assert Redactor().value(action) == {
        "module": "user",
        "params": {"password": MASK, "token": MASK},
        "step": "token",
        "n": 1,
    }
