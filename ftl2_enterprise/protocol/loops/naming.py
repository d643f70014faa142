"""Names of loops: validation, and defaults from their sources. Pure."""

from __future__ import annotations

import re

from ftl2_enterprise.core.problem import invalid

LONGEST = 80
LONGEST_MADE = 60
"""Maximum length of a default name, which leaves room for a suffix that makes it unique."""
_DRY_RUN = "-dry-run"

_TOP_LEVEL = {key: re.compile(rf"^{key}[ \t]*:([^\n]*)", re.MULTILINE) for key in ("version", "name", "steps")}
_VALUE = re.compile(r"""(?:"([^"\\]+)"|'([^']+)'|([^\s"'#&*!|>%@`{\[].*?))\s*(?:\s#.*)?""")
"""A YAML scalar in one of the common forms; a name in any other form is ignored."""
_STANDARD_INPUT = "-"


def name_for(desired_state: str, source: str | None, *, dry_run: bool) -> str:
    """A default name: from the file name; without a file from the manifest's `name`, or else from the first words."""
    file = source.rpartition("/")[2] if source else _STANDARD_INPUT
    own = _own_name(desired_state) if file == _STANDARD_INPUT else None
    if own is not None and own.split() == [own] and len(own) <= LONGEST_MADE and _is_name(own):
        name = own
    else:
        stem = file.rpartition(".")
        first = " ".join(desired_state.split()[:6]) if file == _STANDARD_INPUT else stem[0] or stem[2]
        slug = _slug(own or "") or _slug(first)
        name = f"loop-{slug}" if slug.isdigit() else slug or "loop"
    # A preview must not take the name that the real loop will have.
    return f"{name}{_DRY_RUN}" if dry_run else name


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40].rstrip("-")


def _own_name(desired_state: str) -> str | None:
    """The top-level `name` of a manifest, found without parsing the YAML, which only the decider does."""
    found = {key: pattern.search(desired_state) for key, pattern in _TOP_LEVEL.items()}
    if any(one is None for one in found.values()) or found["name"] is None:
        return None
    value = found["name"][1].strip()
    written = _VALUE.fullmatch(value) if len(value) <= 2 * LONGEST else None
    return None if written is None else next(text for text in written.groups() if text)


def _is_name(name: str) -> bool:
    return (
        bool(name.strip()) and len(name) <= LONGEST and name.isprintable() and not name.isdigit() and name[0] != "-"
    )


def check_name(name: str) -> None:
    """Raise Problem(invalid) for a name that commands could not refer to."""
    if not _is_name(name):
        raise invalid(
            f"cannot name a loop {name[:LONGEST]!r}",
            f"a name has 1 to {LONGEST} printable characters, is not a number and does not begin with a dash",
        )
