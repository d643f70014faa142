"""A test that fails in CI is repeated alone: it counts as unstable if it passes then, and as failed otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STABLE = "def test_stable():\n    pass\n"
UNSTABLE = """\
from pathlib import Path

def test_unstable():
    mark = Path(__file__).with_name("mark")
    was_there = mark.exists()
    mark.touch()
    assert was_there
"""
BROKEN = "def test_broken():\n    assert False\n"
FAILS_IN_TEARDOWN = """\
import pytest

@pytest.fixture
def resource():
    yield
    raise OSError

def test_teardown(resource):
    pass
"""
SKIPPED = "import pytest\n\n@pytest.mark.skip\ndef test_skipped():\n    pass\n"


@pytest.fixture
def run(tmp_path: Path):
    def run(files: dict[str, str], *arguments: str) -> tuple[int, list[str]]:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        done = subprocess.run(
            [sys.executable, ROOT / ".ci" / "run_tests.py", *(arguments or ["-p", "no:cacheprovider", "."])],
            cwd=tmp_path,
            # Half of the time of such a short run is the import of plugins that it does not need.
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTEST_ADDOPTS": "",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()

    return run


def test_an_unstable_test_is_named_and_does_not_fail_the_run(run):
    status, lines = run({"test_a.py": STABLE, "test_b.py": UNSTABLE, "test_c.py": SKIPPED})
    assert status == 0
    assert lines[-2:] == [
        "unstable: passed when repeated: test_b.py::test_unstable",
        "2 passed, 0 failed, 1 skipped",
    ]


@pytest.mark.parametrize(
    ("text", "test"), [(BROKEN, "test_b.py::test_broken"), (FAILS_IN_TEARDOWN, "test_b.py::test_teardown")]
)
def test_a_test_that_fails_twice_fails_the_run(run, text, test):
    status, lines = run({"test_a.py": STABLE, "test_b.py": text})
    assert status == 1
    assert lines[-2:] == [f"failed: {test}", "1 passed, 1 failed, 0 skipped"]


def test_workers_report_to_the_process_that_started_them(run):
    options = ("-p", "xdist", "-n", "1", "-p", "no:cacheprovider")
    status, lines = run({"test_a.py": STABLE, "test_b.py": UNSTABLE}, *options, ".")
    assert (status, lines[-1]) == (0, "2 passed, 0 failed, 0 skipped")


def test_groups_are_summed(run):
    status, lines = run({"test_a.py": STABLE, "test_b.py": STABLE}, "test_a.py", "--", "test_b.py")
    assert (status, lines[-1]) == (0, "2 passed, 0 failed, 0 skipped")


def test_a_file_that_cannot_be_imported_fails_the_run(run):
    status, lines = run(
        {"test_a.py": STABLE, "test_b.py": "import nothing_of_this_name\n"}, "test_a.py", "--", "test_b.py"
    )
    assert status == 1
    assert any(line.startswith("broken: ") for line in lines)
    assert lines[-1] == "1 passed, 0 failed, 0 skipped"


def test_a_run_without_tests_fails(run):
    status, lines = run({}, "-p", "no:cacheprovider", ".")
    assert (status, lines[-1]) == (1, "0 passed, 0 failed, 0 skipped")
