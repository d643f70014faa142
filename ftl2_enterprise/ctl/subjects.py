"""The things that facts and logs are about, as users name them; for commands of every capability.

A package of `ctl` may have a module `subjects` with `NAMES`, which finds the names of a kind of subject by their ids,
and `candidates`, which completes them; `advice` may explain what has no subject. A subject of another kind is shown
as it is, `note:17`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import HelpGroup, ValueKind, not_empty
from ftl2_enterprise.core import packages
from ftl2_enterprise.protocol.subject import parse_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from ftl2_enterprise.ctl.completion import CompletionCandidate, Names
    from ftl2_enterprise.ctl.session import CtlSession

    type NameOf = Callable[[int], str]
    """From the id of a thing to its name, or to what is shown instead when it was deleted."""

HISTORY = HelpGroup("History", 40)
SUBJECT = ValueKind(name="subject", check=not_empty, names="ftl2_enterprise.ctl.subjects:candidates")
SUBJECT_HELP = (
    "a name or id, or KIND:NAME or KIND:ID if several kinds of things have it; an id takes precedence over a name."
)


class SubjectNames:
    """The names of subjects; those of a kind are asked for when the first one is needed."""

    def __init__(self, session: CtlSession) -> None:
        self._session = session
        self._makers: dict[str, Callable[[CtlSession], NameOf]] | None = None
        self._of: dict[str, NameOf] = {}

    def of(self, subject: str) -> str:
        """The name of the subject; the subject itself when its kind has no names here. Raises Problem."""
        parsed = parse_subject(subject)
        if parsed is None:
            return subject
        if self._makers is None:
            self._makers = {kind: make for module in _modules() for kind, make in module.NAMES.items()}
        if parsed.kind not in self._makers:
            return subject
        if parsed.kind not in self._of:
            self._of[parsed.kind] = self._makers[parsed.kind](self._session)
        return self._of[parsed.kind](parsed.id)


def candidates(names: Names, command: str, typed: Sequence[str]) -> list[CompletionCandidate]:
    """Names of things of every kind."""
    return [one for module in _modules() for one in module.candidates(names, command, typed)]


def advice(session: CtlSession) -> list[str]:
    """What helps if a name is that of no subject."""
    return [module.advice(session) for module in _modules() if hasattr(module, "advice")]


def _modules() -> list[ModuleType]:
    return [packages.load(name) for name in packages.modules_named("subjects", among="ftl2_enterprise.ctl")]
