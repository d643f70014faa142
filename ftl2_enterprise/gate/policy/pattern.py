"""Patterns of a policy: text with `*`, `?` and `[abc]`, which must match a whole text."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cached_property
from typing import final

from ftl2_enterprise.gate.policy.paths import beginning, normal
from ftl2_enterprise.gate.policy.spellings import host_spelling, mode_spellings, python_name, user_spellings

_GLOB = re.compile(r"[*?\[]")


@final
class Pattern:
    """A pattern, prepared for many comparisons."""

    def __init__(self, text: str) -> None:
        self.text: str = text
        self.is_literal: bool = _GLOB.search(text) is None

    def matches(self, text: str) -> bool:
        """Whether it matches that text."""
        return text == self.text if self.is_literal else self._compiled.match(text) is not None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(translate(self.text))

    @cached_property
    def fixed(self) -> str:
        """The text before its first wildcard."""
        found = _GLOB.search(self.text)
        return self.text if found is None else self.text[: found.start()]

    @cached_property
    def as_path(self) -> Pattern:
        """The same pattern with its path in normal form."""
        text = normal(self.text)
        return self if text == self.text else Pattern(text)

    @cached_property
    def as_lower(self) -> Pattern:
        """The same pattern in lower case and without a dot at its end, for names of hosts."""
        text = host_spelling(self.text)
        return self if text == self.text else Pattern(text)

    @cached_property
    def as_python_name(self) -> Pattern:
        """The same pattern for names of Python packages in normal form, unless it has a set of characters."""
        text = self.text if "[" in self.text else python_name(self.text)
        return self if text == self.text else Pattern(text)

    @cached_property
    def as_mode(self) -> frozenset[str]:
        """Every spelling of the file mode that it names; empty if it has wildcards."""
        return frozenset(mode_spellings(self.text)) if self.is_literal else frozenset()

    @cached_property
    def as_user(self) -> frozenset[str]:
        """Every spelling of the user or group that it names; empty if it has wildcards."""
        return frozenset(user_spellings(self.text)) if self.is_literal else frozenset()

    def is_below(self, tree: str, *, narrow: bool) -> bool:
        """Whether something that it matches may be below that path; if `narrow`, only if its own path is."""
        prefix = beginning(tree)
        wide = not narrow and not self.is_literal and self.fixed.count("/") > 1
        return self.fixed.startswith(prefix) or (wide and prefix.startswith(self.fixed))

    def includes_all_below(self, tree: str) -> bool:
        """Whether it matches everything below that path."""
        return self.matches(f"{tree.rstrip('/')}/x") and self.text.endswith("*")

    def can_mean(self, glob: str) -> bool:
        """Whether this pattern and that one, as of a package manager, may match the same text."""
        if self.is_literal:
            return Pattern(glob).matches(self.text)
        other = Pattern(glob).fixed
        return self.fixed.startswith(other) or other.startswith(self.fixed)
