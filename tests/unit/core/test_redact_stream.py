"""A text in pieces is redacted like the whole text, however it is cut."""

from __future__ import annotations

import random

import pytest

from ftl2_enterprise.core.redact import MASK, Redactor
from ftl2_enterprise.core.redact_stream import LONGEST_LINE, StreamRedactor
from tests.unit.core.test_secret_forms import CANARIES, ENCODINGS


def in_pieces(redactor: Redactor, text: str, size: int) -> tuple[str, int]:
    """What comes out, and the most characters that were ever held back."""
    stream, passed, held = StreamRedactor(lambda: redactor), "", 0
    for start in range(0, len(text), size):
        passed += stream.feed(text[start : start + size])
        held = max(held, start + size - len(passed))
    return passed + stream.finish(), held


@pytest.mark.parametrize("name", ENCODINGS)
def test_no_encoding_is_cut_in_two(name: str) -> None:
    for number in range(0, 100, 7):
        secret = CANARIES[number]
        if name == "reversed" and "\n" in secret:
            continue
        written = ENCODINGS[name](secret.encode())
        before = "".join(f"line {at} of the output\n" for at in range(random.Random(number).randrange(20, 60)))
        text = f"{before}{written}\n{before}"
        redactor = Redactor([secret])
        shown, _ = in_pieces(redactor, text, 97)
        assert shown.startswith(before)
        assert shown.endswith(before)
        assert len(shown) <= len(redactor.text(text)) + len(MASK), (number, shown)
        assert written.strip() not in shown


@pytest.mark.parametrize("size", [1, 100, 5000, 70_000])
def test_lines_without_an_end_are_passed_on_in_pieces(size: int) -> None:
    redactor = Redactor(["hunter2hunter2"])
    text = "x" * 5000 + "hunter2hunter2" + "y" * 9000 + " password=abcdefgh " + "z" * 20_000
    shown, held = in_pieces(redactor, text, size)
    assert shown == redactor.text(text)
    assert held < 2 * LONGEST_LINE + size + 1000


def test_a_private_key_is_found_in_pieces() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA\n" * 200 + "-----END RSA PRIVATE KEY-----\n"
    shown, _ = in_pieces(Redactor(), f"before\n{key}after\n" * 3, 64)
    assert shown == f"before\n{MASK}\nafter\n" * 3


def test_what_is_complete_can_be_taken_before_more_arrives() -> None:
    stream = StreamRedactor(lambda: Redactor(["hunter2hunter2"]))
    assert stream.feed("it is hunter2hunter2\nand hunter2") == ""
    assert stream.flush_lines() == f"it is {MASK}\n"
    assert stream.flush_lines() == ""
    assert stream.feed("hunter2, too\n") == ""
    assert stream.flush_lines() == f"and {MASK}, too\n"
    assert stream.finish() == ""


def test_a_stream_that_is_a_secret_without_end_is_not_held_forever() -> None:
    redactor = Redactor(["hunter2"])
    shown, held = in_pieces(redactor, "-----BEGIN PRIVATE KEY-----" + "A" * 3_000_000, 65_536)
    assert held < 1_000_000
    assert shown.startswith(MASK)
