"""Approvals: which people must agree before effects may happen, and whether they have. Pure: time is an argument.

An approval is bound to the effects that were shown, to the observations that led to them, and to a deadline. Effects
are bound by a digest with a salt and a slow hash, because their parameters may contain secrets: from what is stored,
a short secret must not be found by trying.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import pbkdf2_hmac, sha256
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import Instant, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_OWN_PROCESS = re.compile(r"^/proc/\d+(?=/|$)")
"""Where `/dev/stderr` and `/proc/mounts` lead: the process that resolves them (proc(5))."""
_OPEN_FILE = re.compile(r"(?<=/fd/)(pipe|socket|anon_inode):\[[^]]*\]$")
ROUNDS = 100_000
"""Rounds of the hash that binds effects: some tens of milliseconds for each approval."""
EXPIRES = 86_400.0
"""Seconds in which people may agree, if neither a rule nor the settings have another value."""

OBSERVATIONS_CHANGED = "the observations changed since it was asked"


class ApproverAccess(StrEnum):
    """The least access to the service that a person needs in order to agree."""

    OPERATE = "operate"
    ADMINISTER = "administer"


class Remediation(StrEnum):
    """What may be done about drift without a person."""

    AUTO = "auto"
    """It is repaired."""
    ASK = "ask"
    """An approval is needed before each repair."""
    NEVER = "never"
    """It is reported, and nothing is changed."""


@dataclass(frozen=True, kw_only=True)
class ApprovalNeed:
    """Who must agree to an effect, as a rule requires it."""

    by: ApproverAccess = ApproverAccess.OPERATE
    group: str = ""
    """A Unix group that everyone who agrees is a member of; empty: any."""
    people: int = 1
    """How many persons, counted by user id."""
    not_requester: bool = False
    """Whether the requester cannot agree."""
    expires: float | None = None
    """Seconds in which they may agree, from the question on; None: the setting."""


@dataclass(frozen=True, kw_only=True)
class Approver:
    """A person who agrees or rejects, as the kernel and the settings identify them."""

    uid: int
    name: str
    access: ApproverAccess | None = None
    """The most that they may do; None for less than `operate`."""
    groups: frozenset[str] = frozenset()
    """Names of their Unix groups."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """The consent of one person to one list of effects."""

    approver: Approver
    given_at: Instant
    effects: str
    """What they agreed to: the binding of the effects."""
    observations: str
    """What it was based on: the digest of the observations."""


@dataclass(frozen=True, kw_only=True)
class ApprovalTerms:
    """What was asked: by whom, when, about what, and who must agree."""

    needs: tuple[ApprovalNeed, ...]
    """All of them must be met."""
    effects: str
    observations: str
    asked_at: Instant
    deadline_at: Instant
    requester: int | None = None
    """The user id of the person who wants the effects; None if it is not known."""
    authors: frozenset[int] = frozenset()
    """The user ids of all who have had a part in what is asked for."""


def is_complete(
    terms: ApprovalTerms, approvals: Sequence[Approval], *, now: Instant, effects: str, observations: str
) -> str | None:
    """Why these approvals do not permit the effects now, as one sentence; None if they do.

    `effects` is the binding of what is about to happen, `observations` the digest of what is observed now.
    """
    if (void := why_void(terms, effects=effects, observations=observations)) is not None:
        return void
    if not terms.asked_at <= now:
        return "the clock was set back since it was asked"
    if now >= terms.deadline_at:
        return f"it expired at {moment(terms.deadline_at)}"
    valid: list[Approver] = []
    for one in approvals:
        if not is_same(one.effects, terms.effects) or not is_same(one.observations, terms.observations):
            return f"{one.approver.name} agreed to something else"
        if not terms.asked_at <= one.given_at < terms.deadline_at or one.given_at > now:
            return f"{one.approver.name} did not agree in time"
        valid.append(one.approver)
    return why_missing(terms, valid)


def why_void(terms: ApprovalTerms, *, effects: str, observations: str) -> str | None:
    """What changed since it was asked, as one sentence; None if nothing did."""
    if not is_same(observations, terms.observations):
        return OBSERVATIONS_CHANGED
    if not is_same(effects, terms.effects):
        return "the actions, their hosts, their secrets or where their paths lead changed since it was asked"
    return None


def why_missing(terms: ApprovalTerms, approvers: Iterable[Approver]) -> str | None:
    """Who still has to agree, as one sentence; None if no one."""
    people = list(approvers)
    for need in terms.needs:
        uids = {one.uid for one in people if why_not(need, one, terms) is None}
        if (missing := max(need.people, 1) - len(uids)) > 0:
            more = "more " if uids else ""
            return f"it needs the approval of {_people(need, missing, more)}"
    return None


def why_not_allowed(terms: ApprovalTerms, person: Approver) -> str | None:
    """Why the consent of that person counts for nothing, as one sentence; None if it counts."""
    reasons = [why_not(need, person, terms) for need in terms.needs]
    return None if not reasons or None in reasons else reasons[0]


def why_not(need: ApprovalNeed, person: Approver, terms: ApprovalTerms) -> str | None:
    """Why the person cannot meet the need, as one sentence; None if they can. Root is a person like any other."""
    if person.access is None or (need.by is ApproverAccess.ADMINISTER and person.access is not need.by):
        return f"it needs access to {need.by}"
    if need.group and need.group not in person.groups:
        return f"it needs a member of the group {need.group}"
    if need.not_requester and terms.requester is None:
        return "it cannot be the person who asked, and who that is is not known"
    if need.not_requester and person.uid == terms.requester:
        return "the requester cannot approve it"
    if need.not_requester and person.uid in terms.authors:
        return "a person who wrote or changed the request cannot approve it"
    return None


def describe(need: ApprovalNeed) -> str:
    """Who can meet the need, for people: `2 persons with access to operate, of the group dba, not the requester`."""
    return _people(need, need.people)


def _people(need: ApprovalNeed, number: int, more: str = "") -> str:
    parts = [f"{number} {more}person{'' if number == 1 else 's'} with access to {need.by}"]
    if need.group:
        parts.append(f"of the group {need.group}")
    if need.not_requester:
        parts.append("not the requester")
    return ", ".join(parts)


def distinct(needs: Iterable[ApprovalNeed]) -> tuple[ApprovalNeed, ...]:
    """The needs without repeats, in order."""
    return tuple(dict.fromkeys(needs))


def shortest_expiry(needs: Iterable[ApprovalNeed], otherwise: float = EXPIRES) -> float:
    """Seconds in which people may agree to all of it; `otherwise` is for needs without a limit."""
    return min((otherwise if need.expires is None else need.expires for need in needs), default=otherwise)


def binding(digests: Sequence[str], salt: bytes) -> str:
    """What an approval of these effects is bound to, in this order: 64 hexadecimal digits."""
    joined = "\n".join((str(len(digests)), *digests)).encode()
    return pbkdf2_hmac("sha256", joined, salt, ROUNDS).hex()


def places_bound(resolved: Mapping[str, Sequence[str]], salt: bytes) -> str:
    """What an approval is bound to besides the effect: where its paths lead on the host; empty if nowhere else.

    The texts are without secrets.
    """
    named = {path: [_lasting(one) for one in places] for path, places in resolved.items()}
    elsewhere = {path: places for path, places in named.items() if any(one != path.rstrip("/") for one in places)}
    form = "\n".join(f"{path!r} {elsewhere[path]!r}" for path in sorted(elsewhere))
    return hmac.new(salt, form.encode(errors="surrogateescape"), sha256).hexdigest() if elsewhere else ""


def _lasting(place: str) -> str:
    """The place without what differs each time that the path is resolved, and without the sign of a directory."""
    return _OWN_PROCESS.sub("/proc/self", _OPEN_FILE.sub(r"\1", place)).rstrip("/")


def digest_of(canonical: str) -> str:
    """The digest of observations in canonical form: 64 hexadecimal digits."""
    return sha256(canonical.encode()).hexdigest()


def is_same(one: str, other: str) -> bool:
    """Whether two digests are equal; an empty one equals none."""
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())
