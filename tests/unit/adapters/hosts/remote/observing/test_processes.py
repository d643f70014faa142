"""Command lines as observations report them."""

from __future__ import annotations

import pytest

from ftl2_enterprise.adapters.hosts.remote.observing.processes import COMMAND_LIMIT, cleaned


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["nginx:", "worker"], "nginx: worker"),
        (["mysql", "--password=hunter2", "-u", "root"], "mysql --password=*** -u root"),
        (["tool", "--api-key", "k123", "x"], "tool --api-key *** x"),
        (["tool", "--token=a b"], "tool --token=***"),
        (["env", "DB_PASSWORD=hunter2", "run"], "env DB_PASSWORD=*** run"),
        (["git", "clone", "https://ana:hunter2@host/x"], "git clone https://ana:***@host/x"),
        (["curl", "-H", "Authorization: Bearer abc"], "curl -H Authorization: ***"),
        (["x", "a\x1b[2Jb\n"], "x a?[2Jb?"),
        (["sshd", "--author=me"], "sshd --author=***"),
    ],
)
def test_passwords_and_control_characters_are_hidden(words: list[str], shown: str) -> None:
    assert cleaned(words) == shown


def test_a_long_command_line_is_shortened() -> None:
    assert len(cleaned(["x" * 10_000])) == COMMAND_LIMIT
