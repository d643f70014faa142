"""The sentence about observations that differ from those that people approved actions on."""

from __future__ import annotations

import pytest

from ftl2_enterprise.loops.engine.observation_changes import difference

FILES, UNITS = ("manifest:files", "web1"), ("units", "web1")


def files(**digests):
    return {
        "paths": {f"/etc/{name}": None if digest is None else {"sha256": digest} for name, digest in digests.items()}
    }


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        ({FILES: files(a="1", b="1")}, {FILES: files(a="1", b="1")}, None),
        ({FILES: files(a="1", b="1")}, {FILES: files(a="1", b="2")}, "the content of /etc/b on web1 is different"),
        ({FILES: files(a=None)}, {FILES: files(a="1")}, "/etc/a on web1 is different"),
        ({UNITS: {"active": True}}, {UNITS: {"active": False}}, "units on web1 is different"),
        ({}, {UNITS: {"active": False}}, "units on web1 is different"),
        ({FILES: {"success": True}}, {FILES: {"success": False}}, "files on web1 is different"),
        (
            {UNITS: {}, FILES: files(a="1")},
            {UNITS: {"active": True}, FILES: files(a="2")},
            "units on web1 and the content of /etc/a on web1 are different",
        ),
        (
            {FILES: files(**dict.fromkeys("abcde", "1"))},
            {FILES: files(**dict.fromkeys("abcde", "2"))},
            "the content of /etc/a on web1, the content of /etc/b on web1, the content of /etc/c on web1 and 2 more "
            "are different",
        ),
    ],
)
def test_it_names_what_is_different(before, now, sentence):
    assert difference(before, now) == sentence
