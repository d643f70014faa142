"""Runs groups of tests one after the other; a test that failed is run once more, alone, at the end.

    run_tests.py GROUP... -- GROUP... [-- ...]

Each group is the arguments of one pytest. If a repeated test passes, the run succeeds and names the test as unstable.
The last line is `N passed, N failed, N skipped`, and the exit status is 0 only if nothing failed twice.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS_FAILED, NOTHING_COLLECTED = 1, 5
MOST_REPEATED = 20
"""More failures than this are not a matter of stability: nothing is repeated."""


def main(arguments: list[str]) -> int:
    """Run the groups and print the summary; returns the exit status."""
    outcomes: dict[str, str] = {}
    broken: list[str] = []
    for words in _groups(arguments):
        found, status = run(words)
        outcomes |= found
        if status not in {0, TESTS_FAILED, NOTHING_COLLECTED}:
            # A collection error, a usage error, or a crash of pytest itself: the outcomes are not complete.
            broken.append(f"pytest {' '.join(words)} exited with {status}")
    failed = sorted(test for test, outcome in outcomes.items() if outcome == "failed")
    unstable: list[str] = []
    if 0 < len(failed) <= MOST_REPEATED:
        print(f"\n{len(failed)} failed; each is run once more, alone", flush=True)
        for test in failed:
            again, _ = run(["-p", "no:randomly", test])
            if again.get(test) == "passed":
                outcomes[test] = "passed"
                unstable.append(test)
    print()
    for line in broken:
        print(f"broken: {line}")
    for test in failed:
        print(f"{'unstable: passed when repeated' if test in unstable else 'failed'}: {test}")
    counted = list(outcomes.values())
    numbers = (f"{counted.count(outcome)} {outcome}" for outcome in ("passed", "failed", "skipped"))
    print(", ".join(numbers), flush=True)
    return 1 if broken or len(failed) > len(unstable) or not counted else 0


def run(words: list[str]) -> tuple[dict[str, str], int]:
    """The outcome of each test, and the exit status of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outcomes.json"
        command = [sys.executable, "-m", "pytest", "-p", "tests.support.outcomes", "--outcomes", str(file), *words]
        status = subprocess.run(command, check=False).returncode
        return (json.loads(file.read_text())["outcomes"] if file.exists() else {}), status


def _groups(arguments: list[str]) -> list[list[str]]:
    """The arguments between the separators."""
    parts = itertools.groupby(arguments, key=lambda word: word == "--")
    return [list(words) for is_separator, words in parts if not is_separator]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
