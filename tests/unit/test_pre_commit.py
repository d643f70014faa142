"""The hooks before a commit run what `make check` runs."""

from __future__ import annotations

import re
import subprocess

import yaml

from tests.support.places import REPOSITORY


def test_the_hooks_run_the_programs_of_make_check() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    recipe = makefile.partition("\ncheck: ")[2].partition("\n\n")[0]
    in_make = set(re.findall(r"\$\(BIN\)/(?:python )?([\w./]+(?: format| check)?)", recipe))
    in_hooks = {
        match[1]
        for hook in _hooks()
        if (match := re.match(r"\.venv/bin/(?:python )?([\w./]+(?: format| check)?)", hook["entry"]))
    }
    assert len(in_make) > 5
    assert in_hooks == in_make


def test_the_hooks_for_words_and_code_read_the_files_of_make_check() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    packages = re.search(r"^PACKAGES := (.*)$", makefile, re.MULTILINE)
    spelled = re.search(r"\$\(BIN\)/codespell (.*)$", makefile, re.MULTILINE)
    assert packages is not None
    assert spelled is not None
    for identifier, places in (("format", packages[1]), ("lint", packages[1]), ("spelling", spelled[1])):
        pattern = re.compile(next(hook["files"] for hook in _hooks() if hook["id"] == identifier))
        expected = set(_listed(*places.split()))
        assert expected
        assert {name for name in _listed() if pattern.search(name)} == expected, identifier


def _hooks() -> list[dict[str, str]]:
    return yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]


def _listed(*places: str) -> list[str]:
    """Files of the repository, below these places."""
    command = ["git", "ls-files", "--", *(f":(glob){one}" if "*" in one else one for one in places)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
