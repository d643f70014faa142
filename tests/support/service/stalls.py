"""Processes of the service that stall at fault points, and continue when the test lets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import StrEnum
    from pathlib import Path


@dataclass
class Stalls:
    """A stall begins by creating a file, so a point at which the file exists already is passed without one."""

    directory: Path
    points: Sequence[StrEnum]
    visits: int = 1
    """How often one process can stall at a point; it passes it when it gets there more often."""

    def __post_init__(self) -> None:
        for point in self.points:
            self.let_pass(point)

    @property
    def fault(self) -> str:
        """What the service is started with."""
        return ";".join(
            f"{point}#{visit}=stall@{self._file(point)}"
            for point in self.points
            for visit in range(1, self.visits + 1)
        )

    def stall_at(self, point: StrEnum) -> None:
        """From now on; also lets a process that stalls there continue to its next visit."""
        self._file(point).unlink()

    def let_pass(self, point: StrEnum) -> None:
        """A process that gets to the point from now on does not stall there."""
        self._file(point).touch()

    def has_begun(self, point: StrEnum) -> bool:
        """Whether a process stalls at the point, or did and was killed."""
        return self._file(point).exists()

    def _file(self, point: StrEnum) -> Path:
        return self.directory / f"stalled-{point}"
