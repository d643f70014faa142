"""Patterns of a policy: text with `*`, `?` and `[abc]`, which must match a whole text."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cached_property
from typing import final

from ftl2_enterprise.gate.policy import globs
from ftl2_enterprise.gate.policy.paths import beginning, normal
from ftl2_enterprise.gate.policy.spellings import (
    host_spelling,
    mode_spellings,
    python_name,
    service_spellings,
    user_spellings,
)

_GLOB = re.compile(r"[*?\[]")
_UNIT_GLOB = re.compile(r"[*?\[\\]")
"""What ends the known part of a pattern for units; a backslash quotes, for fnmatch(3)."""
_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
"""What matches one character, or `*`."""
_END = translate("").removeprefix("(?s:)")
"""What `translate` ends a regular expression with."""


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

    def may_be_below(self, tree: str) -> bool:
        """Whether something below that path may match, however deep; a `*` matches slashes, too."""
        prefix = beginning(tree)
        if not prefix.startswith(self.fixed[: len(prefix)]):
            return False
        singles, is_open = self._singles
        compared = min(len(singles), len(prefix))
        if not is_open and len(singles) <= len(prefix):
            return False
        return compared <= len(self.fixed) or Pattern("".join(singles[:compared])).matches(prefix[:compared])

    @cached_property
    def _singles(self) -> tuple[list[str], bool]:
        """What matches one character each before the first `*`, and whether there is a `*`."""
        tokens = _TOKEN.findall(self.text)
        return (tokens[: tokens.index("*")], True) if "*" in tokens else (tokens, False)

    def is_in(self, folder: str) -> bool:
        """Whether it may match a file that a module writes in that directory."""
        return self.is_below(folder) or (
            not self.is_literal and self.fixed.count("/") > 1 and beginning(folder).startswith(self.fixed)
        )

    def is_below(self, place: str) -> bool:
        """Whether it begins with that path, or one of its directories with a wildcard matches that path."""
        prefix = beginning(place)
        if self.fixed.startswith(prefix):
            return True
        if not self.directories:
            return False
        if place.endswith("*") and not place.rfind("/"):
            # Its first part is not known.
            return self.fixed.startswith("/") and prefix.startswith(self.fixed)
        return any(place.startswith(fixed) and glob.fullmatch(place) for fixed, glob in self.directories)

    @cached_property
    def directories(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        """The directories that it names with a wildcard: the text of each before that, and what matches it.

        Those of `/home/*/.ssh/*` are `/home/*` and `/home/*/.ssh`. In the last part of each, a wildcard matches no
        slash: otherwise `/home/*` would be everything below `/home`. The `*` of `*/x` is about `/` alone.
        """
        if self.is_literal:
            return ()
        found = [("/", re.compile("/"))] if "/" in self.text and not self.text.startswith("/") else []
        for path in self._folders:
            if _GLOB.search(path):
                folder, _, name = path.rpartition("/")
                fixed = Pattern(path).fixed
                one_name = rf"(?=[^/]+\Z){translate(name)}"
                found.append((fixed, re.compile(f"{translate(folder).removesuffix(_END)}/{one_name}")))
        return tuple(found)

    def may_name(self, word: str) -> bool:
        """Whether a shell may replace that word by a path that it matches, or by a directory that it names."""
        if self.fixed and word.startswith(("$", "`")):
            # What it stands for is not known. The host resolves it.
            return False
        named = (folder for folder in self._folders if not _GLOB.search(folder.rpartition("/")[2]))
        return globs.may_share(self.text, word) or any(globs.may_share(folder, word) for folder in named)

    @cached_property
    def _folders(self) -> tuple[str, ...]:
        """The directories in it, from the second part on."""
        parts = self.text.split("/")
        return tuple("/".join(parts[:end]) for end in range(2, len(parts)))

    def includes_all_below(self, tree: str) -> bool:
        """Whether it matches everything below that path."""
        return self.matches(f"{tree.rstrip('/')}/x") and self.text.endswith("*")

    def can_mean(self, glob: str) -> bool:
        """Whether this pattern and that one, as of a package manager, may match the same text."""
        if self.is_literal:
            return Pattern(glob).matches(self.text)
        other = Pattern(glob).fixed
        return self.fixed.startswith(other) or other.startswith(self.fixed)

    def may_name_unit(self, glob: str) -> bool:
        """Whether it may match a unit that `systemctl` selects with that pattern: they do not begin otherwise.

        The rest of that pattern is not compared: fnmatch(3) knows more signs than patterns of a policy have.
        """
        begin = _UNIT_GLOB.split(glob, maxsplit=1)[0]
        if self.is_literal:
            return any(one.startswith(begin) for one in service_spellings(self.text))
        return self.fixed.startswith(begin) or begin.startswith(self.fixed)
