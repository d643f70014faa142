"""What holds for the tests of every directory."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="run unit, store, integration and snapshot tests, and a few others, as tests/quick.txt has them",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--quick"):
        return
    more, without = quick_entries()
    chosen = [*QUICK_FOLDERS, *more]
    unused = {*chosen, *without}
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        matching = {entry for entry in chosen if is_within(item.nodeid, entry)}
        left_out = {entry for entry in without if is_within(item.nodeid, entry)}
        unused -= matching | left_out
        (kept if matching and not left_out else dropped).append(item)
    if unused and not config.args_source == pytest.Config.ArgsSource.ARGS:
        raise pytest.UsageError(
            f"cannot select {', '.join(sorted(unused))} of tests/quick.txt: there is no such test"
        )
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def quick_entries() -> tuple[list[str], list[str]]:
    """What tests/quick.txt adds to QUICK_FOLDERS, and what it leaves out."""
    lines = (ROOT / "tests" / "quick.txt").read_text().splitlines()
    entries = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    without = [entry.removeprefix("- ") for entry in entries if entry.startswith("- ")]
    return [entry for entry in entries if not entry.startswith("- ")], without


def is_within(test: str, entry: str) -> bool:
    """Whether the test is the entry, or a parameter, a test of the file, or below the folder that the entry names."""
    return test == entry or test.startswith((f"{entry}/", f"{entry}::", f"{entry}["))
