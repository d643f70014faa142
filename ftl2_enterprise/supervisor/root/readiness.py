"""Reports to the service manager while the service runs: ready, reloading, alive, a line of status."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.supervisor.root.notify import ServiceManager


class Readiness:
    """Passes on what control reports, until the service stops."""

    def __init__(
        self, manager: ServiceManager, is_ending: Callable[[], bool], *, was_ready: bool, is_reloading: bool
    ) -> None:
        self._manager = manager
        self._is_ending = is_ending
        self.was_ready = was_ready
        """Clients have been served since root was started, by this control or an earlier one."""
        self.is_reloading = is_reloading
        """A reload was announced, and is not over."""

    def alive(self) -> None:
        """Keep the watchdog from ending the service."""
        if not self._is_ending():
            self._manager.send("WATCHDOG=1")

    def ready(self) -> None:
        """Announce, once, that the service is ready, or that the reload is over."""
        if not self._is_ending() and (not self.was_ready or self.is_reloading):
            self.was_ready, self.is_reloading = True, False
            self._manager.send("READY=1")

    def reloading(self) -> None:
        """Announce that a reload begins."""
        if not self._is_ending() and not self.is_reloading:
            self.is_reloading = True
            self._manager.reloading()

    def status(self, text: str) -> None:
        """Show the line; while the service stops, root shows its own."""
        if not self._is_ending():
            self._manager.status(text)
