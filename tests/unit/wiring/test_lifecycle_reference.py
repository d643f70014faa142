"""The page of lifecycles: every capability that has any is on it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING

import ftl2_enterprise
from ftl2_enterprise.core.state_machine import Machine
from ftl2_enterprise.wiring import lifecycle_reference
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class LampState(StrEnum):
    OFF = "off"
    ON = "on"
    BROKEN = "broken"


class LampEvent(StrEnum):
    SWITCHED = "switched"
    BROKE = "broke"


LAMP = Machine(
    "lamp",
    LampState,
    LampState.OFF,
    {
        LampState.OFF: {LampEvent.SWITCHED: LampState.ON},
        LampState.ON: {LampEvent.SWITCHED: LampState.OFF, LampEvent.BROKE: LampState.BROKEN},
    },
)
SECTION = """
## Lamps

### Lamp

```mermaid
stateDiagram-v2
    [*] --> off
    off --> on: switched
    on --> off: switched
    on --> broken: broke
    broken --> [*]
```
"""


def test_the_page_shows_the_tables_as_they_are() -> None:
    page = REPOSITORY / "docs" / "reference" / "lifecycles.md"
    assert page.read_text() == lifecycle_reference.document(), "run: make reference"


def test_a_capability_is_on_the_page_because_it_has_a_lifecycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lamps"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "lifecycle.py").write_text(f"from {__name__} import LAMP\n\nTITLE = 'Lamps'\nMACHINES = (LAMP,)\n")
    before = lifecycle_reference.document()
    monkeypatch.setattr(ftl2_enterprise, "__path__", [*ftl2_enterprise.__path__, str(tmp_path)])
    try:
        assert lifecycle_reference.document() == before + SECTION
    finally:
        for name in ("ftl2_enterprise.lamps.lifecycle", "ftl2_enterprise.lamps"):
            sys.modules.pop(name, None)
        if hasattr(ftl2_enterprise, "lamps"):
            del ftl2_enterprise.lamps  # pyright: ignore[reportAttributeAccessIssue]
