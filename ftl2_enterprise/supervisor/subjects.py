"""The things that facts and logs are about: each capability declares its kinds, and control finds them by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem, invalid, not_found
from ftl2_enterprise.protocol.subject import parse_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftl2_enterprise.store.tx import Tx


@dataclass(frozen=True, kw_only=True)
class SubjectKind:
    """A kind of thing that facts are about."""

    kind: str
    """The noun, as subjects begin with it: `note` for `note:17`."""
    find: Callable[[Tx, str], str]
    """The subject of the thing of that name or id; also of one that was deleted, by its id, as its facts remain.
    Raises Problem, not_found when there is none."""
    name_of: Callable[[Tx, int], str | None]
    """The name of the thing with that id; None when there is none."""


class Subjects:
    """The kinds of all capabilities."""

    def __init__(self, kinds: Iterable[SubjectKind]) -> None:
        """Raises ValueError when two capabilities declare the same kind."""
        self._kinds: dict[str, SubjectKind] = {}
        for one in kinds:
            if self._kinds.setdefault(one.kind, one) is not one:
                raise ValueError(f"two capabilities declare subjects of the kind {one.kind}")

    def find(self, tx: Tx, text: str) -> str:
        """The subject that a user means by `KIND:ID`, `KIND:NAME`, or a name or id that only one kind has.

        Raises Problem.
        """
        kind, _, rest = text.partition(":")
        found: list[str] = []
        problems: list[Problem] = []
        if kind in self._kinds and rest:
            try:
                return self._kinds[kind].find(tx, rest)
            except Problem as problem:
                # A name may contain a colon.
                problems.append(problem)
        for one in self._kinds.values():
            try:
                found.append(one.find(tx, text))
            except Problem as problem:
                problems.append(problem)
        if len(found) == 1:
            return found[0]
        if found:
            raise invalid(
                f"cannot choose what {text!r} means: {' and '.join(found)} are called so",
                f"give its kind, too, such as {found[0]}",
            )
        # A problem of one kind with the name, such as two matches, is more helpful than that the others have none.
        problems.sort(key=lambda problem: problem.code is Code.NOT_FOUND)
        if problems and (problems[0].code is not Code.NOT_FOUND or len(self._kinds) == 1 or kind in self._kinds):
            raise problems[0]
        kinds = " or ".join(self._kinds) or "thing"
        raise not_found(f"cannot find {text!r}: there is no {kinds} of that name or id")

    def name_of(self, tx: Tx, subject: str) -> str | None:
        """What people call the subject; None when it is gone, and for the service."""
        parsed = parse_subject(subject)
        if parsed is None or parsed.kind not in self._kinds:
            return None
        return self._kinds[parsed.kind].name_of(tx, parsed.id)
