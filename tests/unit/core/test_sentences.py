"""Texts that consist of sentences."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.sentences import listed, without_repeats


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        (["a; b", "b"], ["a; b"]),
        (["b", "a; b"], ["b", "a"]),
        (["a; a", "", "c"], ["a", "c"]),
    ],
)
def test_a_sentence_is_kept_once_in_its_first_text(texts, expected):
    assert without_repeats(texts) == expected


@pytest.mark.parametrize(
    ("words", "sentence"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_is_a_part_of_a_sentence(words: list[str], sentence: str) -> None:
    assert listed(words) == sentence
