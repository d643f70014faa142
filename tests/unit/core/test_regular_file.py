"""Reading files that other people have named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftl2_enterprise.core.regular_file import open_regular, read_regular


def test_only_regular_files_of_a_limited_size_are_read(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    file.write_bytes(b"12345")
    link.symlink_to(file)
    os.mkfifo(pipe)
    assert read_regular(file, 5) == read_regular(link, 5) == b"12345"
    for path, reason in (
        (pipe, "regular"),
        ("/dev/zero", "regular"),
        (tmp_path, "directory"),
        ("/nowhere", "No such"),
    ):
        with pytest.raises(OSError, match=reason):
            read_regular(path, 5)
    with pytest.raises(OSError, match="larger than 0 KiB"):
        read_regular(file, 4)
    with pytest.raises(OSError, match="it is a link"):
        open_regular(link, follow=False)


def test_a_path_can_be_relative_to_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        assert read_regular("file", follow=False, directory=directory) == b"x"
    finally:
        os.close(directory)


def test_a_descriptor_is_closed_when_the_file_is_refused(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular"):
        open_regular(tmp_path / "pipe")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
