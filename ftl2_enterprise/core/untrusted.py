"""Text from other machines, programs and files, which must not control a terminal or forge a line of a log."""

from __future__ import annotations

import re

_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"


def clean(text: str) -> str:
    """The text without anything that could control a terminal; line breaks stay."""
    if text.isascii() and text.isprintable():
        return text
    text = re.sub(_ESCAPES, "", text).replace("\r\n", "\n").replace("\t", "    ")
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(letter if letter == "\n" or _is_harmless(letter) else "\ufffd" for letter in text)


def visible(text: str) -> str:
    """The text with everything that could control a terminal in writing, as `^[`; line breaks and tabs stay."""
    return "".join(one if one in "\n\t" or _is_harmless(one) else _written(one) for one in text)


def _written(letter: str) -> str:
    code = ord(letter)
    return f"^{chr(code ^ 0x40)}" if code < 0x80 else f"<U+{code:04X}>"


def escape_json(document: str) -> str:
    """A JSON document with an escape for every letter that could control a terminal; its value is the same.

    JSON requires that only for the first 32 characters.
    """
    if document.isascii() and "\x7f" not in document:
        return document
    return "".join(letter if letter == "\n" or _is_harmless(letter) else _escape(letter) for letter in document)


def _escape(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _is_harmless(letter: str) -> bool:
    import unicodedata  # noqa: PLC0415 - most texts are ASCII

    # Cf contains the marks that change the direction of writing, with which a text can appear as a different one.
    return unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} or letter == "\u200d"
