"""Text that another program wrote; `tests/unit/render/test_text.py` has the cases of `clean`."""

from __future__ import annotations

import json
import re

import msgspec
from hypothesis import given, strategies as st

from ftl2_enterprise.core.untrusted import clean, escape_json, visible

CONTROLS = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]")


@given(st.text(), st.text())
def test_an_escaped_document_has_the_same_value_and_no_controls(name: str, value: str) -> None:
    document = msgspec.json.encode({name: [value, 1.5, None]}).decode()
    escaped = escape_json(document)
    assert json.loads(escaped) == {name: [value, 1.5, None]}
    assert CONTROLS.search(escaped) is None
    assert clean(escaped) == escaped


def test_letters_stay_readable() -> None:
    assert escape_json('"größe 日本 👍"') == '"größe 日本 👍"'
    assert escape_json('"\x7f\U000e0041"') == '"\\u007f\\udb40\\udc41"'


def test_control_characters_are_written_and_the_rest_stays() -> None:
    assert visible("a\x1b[31m\r\x7f\n\tb \u202e\x85é") == "a^[[31m^M^?\n\tb <U+202E><U+0085>é"


@given(st.text())
def test_what_is_written_controls_nothing(text: str) -> None:
    shown = visible(text)
    assert clean(shown).replace("    ", "\t") == shown.replace("    ", "\t")
    assert shown.count("\n") == text.count("\n")
