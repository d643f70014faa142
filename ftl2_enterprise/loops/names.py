"""What loops are called. Pure."""

from __future__ import annotations

import re

from ftl2_enterprise.core.problem import invalid

LONGEST = 80


def name_for(desired_state: str, source: str | None, *, dry_run: bool) -> str:
    """A name made from the file that holds the desired state, or else from its first words."""
    stem = source.rpartition("/")[2].rpartition(".") if source else None
    words = " ".join(desired_state.split()[:6]) if stem is None else stem[0] or stem[2]
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40].rstrip("-")
    name = f"loop-{slug}" if slug.isdigit() else slug or "loop"
    # A preview must not take the name that the real loop is going to have.
    return f"{name}-dry-run" if dry_run else name


def check_name(name: str) -> None:
    """Raise Problem(invalid) for a name that people could not use."""
    if not name.strip() or len(name) > LONGEST or not name.isprintable() or name.isdigit() or name.startswith("-"):
        raise invalid(
            f"cannot call a loop {name[:LONGEST]!r}",
            f"a name has 1 to {LONGEST} printable characters, is not a number and does not begin with a dash",
        )
