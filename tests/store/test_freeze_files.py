"""The files of freezes: in force from the moment that `add` returns, and everything is held when they are damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftl2_enterprise.core.freeze import Freeze, FreezeScope, Thaw
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.store.freeze_files import UNREADABLE, FreezeFiles, select


def freeze(freeze_id: str, *, since: int = 1, scope: FreezeScope = FreezeScope.ALL, of: str = "") -> Freeze:
    return Freeze(id=freeze_id, scope=scope, of=of, reason="incident", by="ann", since=since)


@pytest.fixture
def files(tmp_path: Path) -> FreezeFiles:
    return FreezeFiles(tmp_path / "loops.db")


def test_without_a_freeze_there_is_no_directory(files: FreezeFiles) -> None:
    assert files.in_force() == ()
    assert files.thawed() == []
    assert not Path(files.directory).exists()


def test_freezes_are_read_as_they_were_written_oldest_first(files: FreezeFiles) -> None:
    late, early = freeze("a", since=2), freeze("b", since=1, scope=FreezeScope.TARGET, of="web1")
    files.add(late)
    files.add(early)
    assert list(files.in_force()) == [early, late]
    assert list(FreezeFiles(Path(files.directory.removesuffix(".freezes"))).in_force()) == [early, late]


def test_no_other_user_may_read_or_change_them(files: FreezeFiles) -> None:
    files.add(freeze("a"))
    assert Path(files.directory).stat().st_mode & 0o777 == 0o700
    assert Path(files.directory, "a.freeze").stat().st_mode & 0o777 == 0o600


def test_a_link_to_the_database_names_the_same_freezes(tmp_path: Path, files: FreezeFiles) -> None:
    (tmp_path / "loops.db").touch()
    (tmp_path / "other.db").symlink_to(tmp_path / "loops.db")
    files.add(freeze("a"))
    assert [one.id for one in FreezeFiles(tmp_path / "other.db").in_force()] == ["a"]


def test_the_end_of_a_freeze_is_kept_until_it_is_recorded(files: FreezeFiles) -> None:
    files.add(freeze("a"))
    thaw = Thaw(id="a", by="bob", at=5, gradually=True)
    files.remove(thaw)
    assert (list(files.in_force()), list(files.thawed())) == ([], [thaw])
    files.forget("a")
    assert files.state() == frozenset()


def test_to_end_a_freeze_twice_changes_nothing(files: FreezeFiles) -> None:
    files.add(freeze("a"))
    files.remove(Thaw(id="a", by="bob", at=5))
    files.remove(Thaw(id="a", by="eve", at=6))
    assert [one.by for one in files.thawed()] == ["bob"]


def test_a_thaw_that_was_interrupted_leaves_the_freeze_in_force(files: FreezeFiles) -> None:
    files.add(freeze("a"))
    Path(files.directory, "a.thawed").write_bytes(b'{"id":"a","by":"bob","at":5}')
    assert [one.id for one in files.in_force()] == ["a"]
    assert list(files.thawed()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id":"x"}', b'{"id":"x","scope":"half"}', b"\xff" * 100])
def test_a_damaged_file_holds_everything(files: FreezeFiles, content: bytes) -> None:
    files.add(freeze("a", scope=FreezeScope.TARGET, of="web1"))
    Path(files.directory, "b.freeze").write_bytes(content)
    (found,) = files.in_force()
    assert (found.id, found.scope) == (UNREADABLE, FreezeScope.ALL)
    assert "b.freeze is damaged" in found.reason
    with pytest.raises(Problem, match="cannot thaw"):
        select(files.in_force(), "a", FreezeScope.ALL, "")


def test_what_is_no_file_holds_everything(files: FreezeFiles, tmp_path: Path) -> None:
    files.add(freeze("a"))
    for make in (
        lambda place: place.mkdir(),
        os.mkfifo,
        lambda place: place.symlink_to(tmp_path / "elsewhere"),
    ):
        place = Path(files.directory, "b.freeze")
        make(place)
        assert [one.id for one in files.in_force()] == [UNREADABLE]
        place.rmdir() if place.is_dir() else place.unlink()
    assert [one.id for one in files.in_force()] == ["a"]


def test_what_is_no_directory_holds_everything(files: FreezeFiles, tmp_path: Path) -> None:
    Path(files.directory).write_text("")
    assert [one.id for one in files.in_force()] == [UNREADABLE]
    with pytest.raises(Problem, match="cannot freeze"):
        files.add(freeze("a"))
    Path(files.directory).unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path(files.directory).symlink_to(elsewhere)
    with pytest.raises(Problem, match="cannot freeze"):
        files.add(freeze("a"))
    assert list(elsewhere.iterdir()) == []


def test_an_unfinished_file_of_a_process_that_was_killed_is_no_freeze(files: FreezeFiles) -> None:
    files.add(freeze("a"))
    Path(files.directory, ".b.freeze.1234").write_bytes(b"{")
    assert [one.id for one in files.in_force()] == ["a"]


def test_freezes_are_chosen_by_the_beginning_of_an_id_or_by_what_they_cover() -> None:
    every, host, other = freeze("ab1"), freeze("ab2", scope=FreezeScope.TARGET, of="web1"), freeze("cd3")
    found = [every, host, other]
    assert select(found, "c", FreezeScope.ALL, "") == [other]
    assert select(found, None, FreezeScope.ALL, "") == [every, other]
    assert select(found, None, FreezeScope.TARGET, "WEB1") == [host]
    with pytest.raises(Problem, match="2 freezes have ids that begin so"):
        select(found, "ab", FreezeScope.ALL, "")
    with pytest.raises(
        Problem, match=r"no such freeze; in force are everything \(ab1\), web1 \(ab2\), everything \(cd3\): `thaw ID`"
    ):
        select(found, None, FreezeScope.SUBJECT, "loop:1")
    with pytest.raises(Problem, match="nothing is frozen"):
        select([], "ab", FreezeScope.ALL, "")


def test_a_freeze_by_an_unusable_policy_is_not_denied_when_everything_is_to_be_thawed() -> None:
    host = freeze("ab2", scope=FreezeScope.TARGET, of="web1")
    with pytest.raises(Problem, match="cannot thaw: the site policy cannot be used, and this freeze ends when") as no:
        select([host], None, FreezeScope.ALL, "", is_policy_usable=False)
    assert "web1 (ab2)" in str(no.value)
    assert select([host], None, FreezeScope.TARGET, "web1", is_policy_usable=False) == [host]
    every = freeze("ab1")
    assert select([every], None, FreezeScope.ALL, "", is_policy_usable=False) == [every]
