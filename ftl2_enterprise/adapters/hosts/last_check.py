"""The last check before a call is sent: connecting and waiting for a turn may have taken long."""

from __future__ import annotations


class NoLongerAllowed(Exception):
    """The gate no longer allows a call, and nothing of it was sent."""
