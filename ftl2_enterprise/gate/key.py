"""The key that permits are made with; only the judge uses it (an import contract)."""

from __future__ import annotations

KEY = object()
