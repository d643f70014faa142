"""tests/quick.txt names tests that exist, of every slower kind."""

from __future__ import annotations

import re

from tests.conftest import QUICK_FOLDERS, ROOT, is_within, outside_samples, quick_entries, quick_samples

SLOWER = ("acceptance", "compat", "faults", "packaging")


def test_every_entry_names_something_that_exists() -> None:
    more, without = quick_entries()
    for entry in (*more, *without, *quick_samples()):
        file, _, test = entry.partition("::")
        assert (ROOT / file).exists(), entry
        assert not test or re.search(rf"^(?:async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), entry


def test_each_kind_of_test_is_selected() -> None:
    kinds = {path.name for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))}
    quick = {folder.rpartition("/")[2] for folder in QUICK_FOLDERS}
    assert kinds == quick | set(SLOWER)
    more, without = quick_entries()
    assert {entry.split("/")[1] for entry in more} == set(SLOWER)
    assert all(any(is_within(entry, folder) for folder in QUICK_FOLDERS) for entry in without)


def test_an_entry_selects_its_file_its_tests_and_their_parameters() -> None:
    assert is_within("tests/a/test_b.py::test_c[1]", "tests/a/test_b.py::test_c")
    assert is_within("tests/a/test_b.py::test_c", "tests/a/test_b.py")
    assert is_within("tests/a/test_b.py::test_c", "tests/a")
    assert not is_within("tests/a/test_b.py::test_cd", "tests/a/test_b.py::test_c")


def test_a_sample_has_one_parameter_of_so_many_in_any_order() -> None:
    tests = [f"tests/a/test_b.py::test_c[{number}]" for number in range(8)]
    kept = {tests[0], tests[4]}
    assert outside_samples(tests, {"tests/a/test_b.py::test_c": 4}) == {*tests} - kept
    assert outside_samples(tests[::-1], {"tests/a/test_b.py::test_c": 4}) == {*tests} - kept
    assert outside_samples(tests[:1], {"tests/a/test_b.py::test_c": 4}) == set()


def test_what_is_sampled_is_not_left_out_as_a_whole() -> None:
    _, without = quick_entries()
    assert min(quick_samples().values()) > 1
    assert not [one for one in quick_samples() if any(is_within(one, entry) for entry in without)]
