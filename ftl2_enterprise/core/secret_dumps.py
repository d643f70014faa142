"""Finds known secrets in dumps of `xxd`, `hexdump` and `od`: lines with an offset and numbers, or with characters.

A dump is read in each way that its columns permit, because the program and its options are unknown: the same words
are printed in both byte orders, and `od -b` prints digits that could also be hexadecimal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OFFSET = r"[0-9A-Fa-f]{6,16}"
_END = rf"(?:\r?\n\*)?(?:\r?\n{_OFFSET})?(?:\r?\n|\Z)"
"""The end of a line, after which repeated lines may be left out, or the offset of the end may follow."""
_NUMBERS = re.compile(
    rf"(?m)(?:^{_OFFSET}(?::[ \t]+[0-9A-Fa-f]{{2,}}\b.*|(?:[ \t]+-?[0-9A-Fa-f]+)++[ \t]*+(?:[>|].*)?){_END})+"
)
_CHARACTERS = re.compile(
    rf"(?m)(?:^(?:{_OFFSET})?"
    rf"(?: (?:  [!-~]|   | \\[0abfnrtv]| [a-z]{{2}}|[0-7]{{3}}|[a-z]{{2}}[a-z1-4]))++{_END})+"
)
"""Lines of `od -c`, `od -a` or `hexdump -c`: four columns for each byte, also without an offset."""

_UNIT = re.compile(r"-?[0-9A-Fa-f]+")
_OCTAL = {3: 1, 6: 2, 11: 4, 22: 8}
"""Bytes of an octal number, by its digits."""
_DECIMAL = {4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 11: 4, 12: 4, 21: 8}
"""Bytes of a decimal number, by the columns that are reserved for it; signed numbers have one more."""
_NAMES = (
    "nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "nl", "vt", "ff", "cr", "so", "si",
    "dle", "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc", "fs", "gs", "rs", "us", "sp",
)  # fmt: skip
_CELLS = {
    **{f"   {chr(byte)}": byte for byte in range(ord("!"), ord("~") + 1)},
    **{f" {byte:03o}": byte for byte in range(256)},
    **{f"  \\{letter}": byte for letter, byte in zip("0abtnvfr", (0, *range(7, 14)), strict=True)},
    **{f"{name:>4}": byte for byte, name in enumerate(_NAMES)},
    " del": 0x7F,
    "    ": ord(" "),
}
"""The byte that each four columns mean, in the notations of `-c` and of `-a`."""


def find_dumps(text: str, secrets: re.Pattern[bytes]) -> list[tuple[int, int]]:
    """Where the text has dumps of bytes in which the pattern is found: their beginnings and ends."""
    found = [dump.span() for dump in _NUMBERS.finditer(text) if any(map(secrets.search, _numbers(dump.group())))]
    found += [dump.span() for dump in _CHARACTERS.finditer(text) if secrets.search(_characters(dump.group()))]
    return found


def seven_bits(raw: bytes) -> bytes:
    """The bytes as `od -a` prints them, without the highest bit."""
    return bytes(byte & 0x7F for byte in raw)


def _characters(dump: str) -> bytes:
    read = bytearray()
    for line in dump.splitlines():
        cells = line[line.find(" ") :] if " " in line else ""
        read += bytes(_CELLS.get(cells[at : at + 4], 0) for at in range(0, len(cells), 4))
    return bytes(read)


def _numbers(dump: str) -> Iterator[bytes]:
    units: list[str] = []
    columns: set[float] = set()
    for line in dump.splitlines():
        row, width = _row(line)
        units += row
        columns.add(width)
    columns.discard(0)
    sizes = {len(unit) for unit in units}
    digits = set("".join(units))
    if "-" not in digits and not any(size % 2 for size in sizes):
        yield bytes.fromhex("".join(units))
        if sizes != {2}:
            yield b"".join(bytes.fromhex(unit)[::-1] for unit in units)
    if sizes == {8} and digits <= set("01"):
        yield bytes(int(unit, 2) for unit in units)
    if len(sizes) == 1 and digits <= set("01234567"):
        yield _words(units, 8, _OCTAL.get(min(sizes), 0))
    if len(columns) == 1 and digits <= set("-0123456789"):
        yield _words(units, 10, _DECIMAL.get(int(min(columns)), 0))


def _words(units: list[str], base: int, size: int) -> bytes:
    """The bytes of numbers of this size, the lowest byte first; none if the size is 0."""
    return b"".join((int(unit, base) % 256**size).to_bytes(size, "little") for unit in units) if size else b""


def _row(line: str) -> tuple[list[str], float]:
    """The numbers in a line, and the columns that each of them has."""
    offset, _, columns = line.partition(" ")
    if offset.endswith(":"):  # xxd, with the characters after two blanks, which may be of any kind
        columns = columns.lstrip().partition("  ")[0]
    else:  # hexdump -C and od -t x1z have the characters in between of |...| and >...<
        columns = columns.partition("|")[0].partition(">")[0]
    units = _UNIT.findall(columns)
    return units, (len(columns.rstrip()) + 1) / len(units) if units else 0
