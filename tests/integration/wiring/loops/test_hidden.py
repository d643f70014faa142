"""What rules and observations cannot read, found on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.wiring.loops.hidden import hidden_places
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_database_its_copies_and_its_lock_also_where_a_link_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    (tmp_path / "data").mkdir()
    for name in ("real.db", "real.db.0004", "other.db"):
        (tmp_path / "data" / name).touch()
    (tmp_path / "data" / "real.db.freezes").mkdir()
    (tmp_path / "loops.db").symlink_to("data/real.db")
    (tmp_path / "loops.db.service").touch()
    loaded = MODEL.load(environ={"HOME": str(tmp_path)}, flags={"store.path": str(tmp_path / "loops.db")})
    of_sqlite = ["", "-wal", "-shm", "-journal"]
    assert sorted(hidden_places(loaded.settings)) == sorted(
        [
            "/run/credentials/x",
            f"{tmp_path}/data/real.db.secrets",
            *(f"{tmp_path}/loops.db{suffix}" for suffix in [*of_sqlite, ".service"]),
            *(f"{tmp_path}/data/real.db{suffix}" for suffix in [*of_sqlite, ".0004"]),
        ]
    )
