"""A manifest that can never work is refused before anything is made, even the database."""

from __future__ import annotations

import pytest

from tests.support.processes.command import Command

HEAD = "version: 1\nname: wrong\nsteps:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "  - {name: a, check: {path: /x}, action: {module: commandd}}\n",
            "cannot find the module commandd; did you mean command?",
        ),
        (HEAD + "  - {name: a, check: {path: /x}, action: {module: setup}}\n", "cannot use the module setup"),
        (HEAD + "  - {name: a, host: web, file: {path: /x}}\n", "cannot find web: it is neither a host nor a group"),
        ("- just\n- a list\n", "cannot use"),
        ("please install nginx\n", "cannot use"),
    ],
)
def test_an_invalid_manifest_is_refused_with_2_and_nothing_is_created(tmp_path, text, message):
    (tmp_path / "wrong.yaml").write_text(text)
    command = Command(tmp_path, creates_database=True)
    refused = command.run("run", str(tmp_path / "wrong.yaml"))
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert message in refused.stderr
    assert not command.database.exists()
