"""Candidates for the keys of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.completion import CompletionCandidate
from ftl2_enterprise.protocol.service.verbs import GetSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.ctl.completion import Names


def settings(names: Names, command: str, typed: Sequence[str]) -> list[CompletionCandidate]:
    """The sections, then all keys."""
    del command, typed
    every = [one.key for one in names.ask(GetSettings()) or []]
    sections = {key.partition(".")[0]: f"all settings of {key.partition('.')[0]}" for key in every if "." in key}
    return [*(CompletionCandidate(name, about) for name, about in sections.items()), *map(CompletionCandidate, every)]
