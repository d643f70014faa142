"""A cache of unpacked modules with their libraries, which keeps Python's compiled files, too."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def place(parent: Path, digest: str, data: bytes | None) -> Path | None:
    """The folder of the bundle, which Python can execute; None when it is not cached and no data is given."""
    folder = parent / digest
    if folder.is_dir():
        return folder
    if data is None:
        return None
    import io  # noqa: PLC0415 - most calls place nothing
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = tempfile.mkdtemp(dir=parent)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(fresh)
        with contextlib.suppress(OSError):  # another call created it in the meantime
            (parent / fresh).rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder
