"""Known secrets are found however they are written; the table is what docs/reference/policy.md lists."""

from __future__ import annotations

import base64
import html
import json
import random
import shlex
import string
import subprocess
import textwrap
from collections.abc import Callable
from functools import cache
from urllib.parse import quote, quote_plus

import pytest

from ftl2_enterprise.core.redact import MASK, Redactor
from ftl2_enterprise.core.secret_forms import KnownValues

type Written = Callable[[bytes], str]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def run(*argv: str) -> Written:
    return lambda raw: subprocess.run(argv, input=raw, capture_output=True, check=True).stdout.decode(
        "utf-8", "replace"
    )


def text(written: Callable[[str], str]) -> Written:
    return lambda raw: written(raw.decode())


def wrapped(written: Written, width: int, end: str = "\n") -> Written:
    return lambda raw: end.join(textwrap.wrap(written(raw), width))


def joined(before: str, between: str, after: str = "", width: int = 76) -> Written:
    return lambda raw: before + between.join(textwrap.wrap(b64(raw), width)) + after


def pages(characters: str, *, ascii_only: bool = True, case: str = "x") -> Written:
    """JSON in which these characters are escaped by their numbers, in digits of lower (x) or upper (X) case."""
    escapes = {ord(char): f"\\u00{ord(char):02{case}}" for char in characters}
    return text(lambda value: f'"{json.dumps(value, ensure_ascii=ascii_only)[1:-1].translate(escapes)}"')


def each(form: str, between: str = "") -> Written:
    return lambda raw: between.join(form.format(byte) for byte in raw)


ENCODINGS: dict[str, Written] = {
    "plain": bytes.decode,
    "base64": b64,
    "base64 at offset 1": lambda raw: b64(b"u" + raw + b"x"),
    "base64 at offset 2": lambda raw: b64(b"us" + raw + b"xy"),
    "URL-safe base64": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "base64 wrapped at 76": lambda raw: base64.encodebytes(raw).decode(),
    "base64 wrapped at 64": wrapped(b64, 64),
    "base64 wrapped in JSON": lambda raw: json.dumps(wrapped(b64, 76)(raw)),
    "base64 twice": lambda raw: b64(b64(raw).encode()),
    "base64 twice at offset 1": lambda raw: b64(b64(b"u" + raw + b"x").encode()),
    "base64 | base64": run("sh", "-c", "base64 | base64"),
    "echo | base64 | base64": run("sh", "-c", "(cat; echo) | base64 | base64"),
    "base64 -w0 | base64": run("sh", "-c", "base64 -w0 | base64"),
    "base64 | base64 -w0": run("sh", "-c", "base64 | base64 -w0"),
    "openssl base64 twice": wrapped(lambda raw: b64((wrapped(b64, 64)(raw) + "\n").encode()), 64),
    "base64 in quoted lines": joined('"', '"\n"', '"', 20),
    "base64 in a list": joined("['", "',\n '", "']", 20),
    "base64 in lines of a quotation": joined("> ", "\n> ", "", 20),
    "base64 in lines of a comment": joined("# ", "\n# ", "", 20),
    "base64 joined by bars": joined("", "|", "", 20),
    "base64 joined by plus signs": joined('"', '" +\n    "', '"', 20),
    "base64 joined by plus signs alone": joined("", " +\n", "", 20),
    "base64 in lines that are continued": joined("", " \\\n", "", 20),
    "base64 wrapped in JSON in JSON": lambda raw: json.dumps(json.dumps(wrapped(b64, 20)(raw))),
    "base64 with escaped slashes": lambda raw: b64(raw).replace("/", "\\/"),
    "base64 of UTF-16": lambda raw: b64(raw.decode().encode("utf-16-le")),
    "base32": lambda raw: base64.b32encode(raw).decode(),
    "hex": bytes.hex,
    "upper-case hex": lambda raw: raw.hex().upper(),
    "hex wrapped at 60": run("xxd", "-p"),
    "hex with colons": lambda raw: raw.hex(":"),
    "hex with spaces": lambda raw: raw.hex(" "),
    "a list of hex numbers": each("0x{:02x}", ", "),
    "backslash x": each("\\x{:02x}"),
    "backslash u": text(lambda value: "".join(f"\\u{ord(char):04x}" for char in value)),
    "octal escapes": each("\\{:03o}"),
    "a list of numbers": lambda raw: json.dumps(list(raw)),
    "decimal entities": each("&#{:d};"),
    "percent of every byte": each("%{:02X}"),
    "URL": lambda raw: quote(raw, safe=""),
    "URL twice": lambda raw: quote(quote(raw, safe=""), safe=""),
    "encodeURIComponent": lambda raw: quote(raw, safe="!'()*~"),
    "encodeURIComponent twice": lambda raw: quote(quote(raw, safe="!'()*~"), safe="!'()*~"),
    "encodeURI": lambda raw: quote(raw, safe="!'()*~;/?:@&=+$,#"),
    "URLSearchParams": lambda raw: quote_plus(raw, safe="*").replace("~", "%7E"),
    "JSON": text(json.dumps),
    "JSON in JSON": text(lambda value: json.dumps(json.dumps(value))),
    "JSON in JSON in JSON": text(lambda value: json.dumps(json.dumps(json.dumps(value)))),
    "JSON for web pages": text(lambda value: json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e")),
    "JSON of Go": pages("<>&", ascii_only=False),
    "JSON of Django": pages("<>&"),
    "JSON with escaped apostrophes": pages("<>&'"),
    "JSON of PHP": pages("<>&'", case="X"),
    "JSON of .NET": text(lambda value: pages("<>&'\"+`", case="X")(value.encode()).replace('\\\\u0022', '\\u0022')),
    "JSON with escaped slashes": text(lambda value: json.dumps(value).replace("/", "\\/")),
    "JSON of Go in JSON": lambda raw: json.dumps(pages("<>&")(raw)),
    "jq -a": run("jq", "-Rsac", "."),
    "HTML": text(html.escape),
    "HTML without quotes": text(lambda value: html.escape(value, quote=False)),
    "HTML in an attribute": text(lambda value: html.escape(value, quote=False).replace('"', "&quot;")),
    "HTML with numbers of quotes": text(
        lambda value: html.escape(value, quote=False).replace('"', "&#34;").replace("'", "&#39;")
    ),
    "XML": text(lambda value: html.escape(value).replace("&#x27;", "&apos;")),
    "HTML without quotes in JSON": text(lambda value: json.dumps(html.escape(value, quote=False))),
    "HTML in JSON": text(lambda value: json.dumps(html.escape(value))),
    "shell": text(shlex.quote),
    "printf %q": run("bash", "-c", "printf %q \"$(cat)\""),
    "printf %q without a locale": run("env", "LC_ALL=C", "bash", "-c", "printf %q \"$(cat)\""),
    "repr": text(repr),
    "repr of bytes": repr,
    "upper case": text(str.upper),
    "swapped case": text(str.swapcase),
    "reversed": text(lambda value: value[::-1]),
    "UTF-16 with zero bytes": text(lambda value: value.encode("utf-16-le").decode("latin-1")),
    "xxd": run("xxd"),
    "hexdump -C": run("hexdump", "-C"),
    "od -t x1": run("od", "-v", "-t", "x1"),
    "od -x": run("od", "-v", "-x"),
    "od -b": run("od", "-v", "-b"),
    "od": run("od", "-v"),
    "xxd -b": run("xxd", "-b"),

    "xxd -g 4": run("xxd", "-g", "4"),
    "xxd -g 3": run("xxd", "-g", "3"),
    "hexdump": run("hexdump", "-v"),
    "hexdump -b": run("hexdump", "-v", "-b"),
    "hexdump -c": run("hexdump", "-v", "-c"),
    "hexdump -d": run("hexdump", "-v", "-d"),
    "hexdump -o": run("hexdump", "-v", "-o"),
    **{f"od {options}": run("od", "-v", *options.split()) for options in (
        "-c", "-a", "-An -c", "-An -ta", "-Ax -c", "-w32 -c", "-tx1z", "-tu1", "-td1", "-tu2", "-td2", "-to4", "-tu4",
        "-td4", "-tx4", "-tx4z", "-to8", "-tu8", "-td8", "-tx8", "-tx8z", "-An -tu1", "-An -tx1",
        "-tu1z", "-to1z",
    )},
}  # fmt: skip
"""How a secret is written; what is found."""


def canary(number: int) -> str:
    random.seed(number)
    length = 8 + (number * 159) // 99
    lines = 1 + (number % 4 == 3 and length > 40) * 2
    letters = string.ascii_letters + string.digits + ("!\"'$%&/()=?\\`*+~#;:<>| {}[]@," if number % 2 else "")
    rows = ["".join(random.choices(letters, k=length // lines)).strip() or "x" * 8 for _ in range(lines)]
    return "\n".join(row if row[0].isalnum() else f"k{row}" for row in rows)


CANARIES = [canary(number) for number in range(100)]


@cache
def known(secret: str) -> KnownValues:
    return KnownValues([secret])


@cache
@cache
def redactor_of_all() -> Redactor:
    return Redactor(CANARIES)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_hundred_secrets_are_found_in_this_encoding(name: str) -> None:
    for number, secret in enumerate(CANARIES):
        written = ENCODINGS[name](secret.encode())
        if name == "reversed" and "\n" in secret:
            continue  # each of its lines is found, but not the line breaks between them
        shown = known(secret).mask(f"key {written} end\n" if "\n" not in written else f"key\n{written}\nend\n")
        assert written.strip() not in shown, (number, secret)
        assert MASK in shown, (number, secret)
        left = shown.replace(MASK, "")
        # Line breaks of a wrapped text, quotation marks and letters mixed with neighbours may be left.
        assert len(left) < 20 + len(written) - 0.85 * len(written.strip()) + 8, (number, secret, shown)


def test_each_canary_is_different_and_some_have_lines() -> None:
    assert len(set(CANARIES)) == 100
    assert {min(map(len, CANARIES)), max(map(len, CANARIES))} <= set(range(8, 170))
    assert any("\n" in secret for secret in CANARIES)


HARMLESS = [
    "the quick brown fox jumps over the lazy dog",
    "deadbeef cafe 0123456789abcdef",
    "00000000: 6865 6c6c 6f20 776f 726c 640a            hello world.",
    "0000000   h   e   l   l   o  \\n\n0000006\n",
    "0000000 104 101 108 108 111  10\n0000006\n",
    "> aGVsbG8g\n> d29ybGQ=\n",
    "-rw-r--r-- 1 root root 1024 Nov 30 12:00 secret.txt",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "aGVsbG8gd29ybGQ= aGVsbG8gd29ybGQh",
    "[1, 2, 3, 104, 101, 108, 108, 111]",
    "... 12 of 4,000 characters left out ...",
]


@pytest.mark.parametrize("harmless", HARMLESS)
def test_other_texts_are_unchanged(harmless: str) -> None:
    assert redactor_of_all().text(harmless) == harmless


@pytest.mark.parametrize(
    "marker",
    [
        "...",
        "\n[1234 more bytes were not kept]\n",
        "\n... 12 of 4,000 characters left out ...\n",
        r"\\n... 12 of 4,000 characters left out ...\\n",
    ],
)
def test_the_beginning_of_a_secret_is_hidden_where_a_text_was_cut(marker: str) -> None:
    secret = "correct-horse-battery-staple"
    for size in range(4, len(secret)):
        assert known(secret).mask(f"password {secret[:size]}{marker}") == f"password {MASK}{marker}"
        assert known(secret).mask(f"b {b64(secret.encode())[:size]}{marker}") == f"b {MASK}{marker}"
    assert known(secret).mask(f"password {secret[:3]}{marker}") == f"password {secret[:3]}{marker}"
    assert known(secret).mask(f"a harmless end{marker}") == f"a harmless end{marker}"


@pytest.mark.parametrize("end", ["\n", "\\n"])
def test_the_end_of_a_secret_is_hidden_where_the_middle_was_cut(end: str) -> None:
    secret = "correct-horse-battery-staple"
    marker = f"\n... 12 of 4,000 characters left out ...{end}"
    for size in range(4, len(secret)):
        assert known(secret).mask(f"it is{marker}{secret[-size:]}, no") == f"it is{marker}{MASK}, no"
        encoded = b64(secret.encode()).rstrip("=")
        assert known(secret).mask(f"it is{marker}{encoded[-size:]} no") == f"it is{marker}{MASK} no"
    assert known(secret).mask(f"it is{marker}{secret[-3:]}") == f"it is{marker}{secret[-3:]}"


def test_a_dump_is_found_next_to_other_lines_and_with_line_breaks_of_a_terminal() -> None:
    secret = b"correct-horse-battery-staple"
    for options in (["-c"], ["-tu1"], ["-tx4"]):
        dump = run("od", *options)(secret)
        assert known(secret.decode()).mask(f"1a2b3c4 a change\n{dump}  2 changes\n") == (
            f"1a2b3c4 a change\n{MASK}  2 changes\n"
        )
        assert known(secret.decode()).mask(dump.replace("\n", "\r\n")) == MASK


def test_padding_is_hidden_with_wrapped_base64() -> None:
    assert known("correct-horse").mask("(Y29ycmVj\n> dC1ob3JzZQ==)") == f"({MASK})"


def test_the_representation_has_no_secret() -> None:
    assert "correct-horse" not in repr(KnownValues(["correct-horse"]))
