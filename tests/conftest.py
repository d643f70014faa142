"""What holds for the tests of every directory."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[1]
QUICK_FOLDERS = ("tests/unit", "tests/store", "tests/integration", "tests/snapshots")

# What runs in the background of a script, or under nohup, ignores these, and so would every program of a test.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# A machine that is busy with other tests is slow: that is no property of what is tested. And where a test shares a
# fixture between its examples, it does so on purpose.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("quick", settings.get_profile("any machine"), max_examples=30)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="run unit, store, integration and snapshot tests, and a few others, as tests/quick.txt has them",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        settings.load_profile("quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--quick"):
        return
    more, without = quick_entries()
    samples = quick_samples()
    chosen = [*QUICK_FOLDERS, *more]
    names = [item.nodeid for item in items]
    unsampled = outside_samples(names, samples)
    unused = {*chosen, *without} | {one for one in samples if not any(is_within(name, one) for name in names)}
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        matching = {entry for entry in chosen if is_within(item.nodeid, entry)}
        left_out = {entry for entry in without if is_within(item.nodeid, entry)}
        unused -= matching | left_out
        is_kept = matching and not left_out and item.nodeid not in unsampled
        (kept if is_kept else dropped).append(item)
    if unused and not config.args_source == pytest.Config.ArgsSource.ARGS:
        raise pytest.UsageError(
            f"cannot select {', '.join(sorted(unused))} of tests/quick.txt: there is no such test"
        )
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def quick_entries() -> tuple[list[str], list[str]]:
    """What tests/quick.txt adds to QUICK_FOLDERS, and what it leaves out."""
    entries = [entry for entry in _quick_lines() if not entry.startswith("1/")]
    without = [entry.removeprefix("- ") for entry in entries if entry.startswith("- ")]
    return [entry for entry in entries if not entry.startswith("- ")], without


def quick_samples() -> dict[str, int]:
    """The tests of which tests/quick.txt takes one parameter of so many."""
    words = [entry.removeprefix("1/").split(maxsplit=1) for entry in _quick_lines() if entry.startswith("1/")]
    return {entry: int(part) for part, entry in words}


def outside_samples(tests: Iterable[str], samples: Mapping[str, int]) -> set[str]:
    """The tests that the samples leave out. As their order is random, the sample is taken of the sorted names."""
    found: set[str] = set()
    for entry, part in samples.items():
        names = sorted(test for test in tests if is_within(test, entry))
        found |= {*names} - {*names[::part]}
    return found


def _quick_lines() -> list[str]:
    lines = (ROOT / "tests" / "quick.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def is_within(test: str, entry: str) -> bool:
    """Whether the test is the entry, or a parameter, a test of the file, or below the folder that the entry names."""
    return test == entry or test.startswith((f"{entry}/", f"{entry}::", f"{entry}["))
