"""A thousand approvals that are forged, replayed, expired or swapped: none of them executes anything."""

from __future__ import annotations

import shutil
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import text

from ftl2_enterprise.gate import approvals
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import approvals as approval_rows, loops as loop_rows
from ftl2_enterprise.protocol.loops.approvals import RequiredPeople
from ftl2_enterprise.protocol.loops.decision import ActionSpec
from ftl2_enterprise.wiring.database import open_database
from tests.support.loops.approving import approve, asking, decider, latest, ran, world
from tests.support.loops.engine import Bench, ScriptedPeople

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PARTS, EACH = 8, 125
SECOND = 1_000_000


def sql(b: Bench, statement: str, **values: Any) -> None:
    with b.database.write() as tx:
        tx.connection.execute(text(statement), {"loop": b.loop_id, **values})


def set_approval(b: Bench, column: str, expression: str, **values: Any) -> None:
    sql(b, f"UPDATE approvals SET {column} = {expression} WHERE loop_id = :loop", **values)


def set_vote(b: Bench, column: str, expression: str, **values: Any) -> None:
    of = "approval_id IN (SELECT id FROM approvals WHERE loop_id = :loop)"
    sql(b, f"UPDATE approval_votes SET {column} = {expression} WHERE {of}", **values)


def one_digit(some: Random, digest: str) -> str:
    """The digest with another digit somewhere."""
    place = some.randrange(len(digest))
    other = some.choice([digit for digit in "0123456789abcdef" if digit != digest[place]])
    return digest[:place] + other + digest[place + 1 :]


def change_decision(b: Bench, change: Callable[[list[ActionSpec]], list[ActionSpec]]) -> None:
    with b.database.write() as tx:
        asked = loop_rows.get_iteration(tx, latest(b).iteration_id)
        assert asked.decision is not None
        changed = msgspec.structs.replace(asked.decision, actions=change(list(asked.decision.actions)))
        assert changed != asked.decision
        stored = {"decision": msgspec.json.encode(changed).decode(), "id": asked.id}
        tx.connection.execute(text("UPDATE iterations SET decision = :decision WHERE id = :id"), stored)


def parameter(b: Bench, some: Random) -> None:
    n, name = some.randrange(2), some.choice(["dest", "content", "name", "state", "mode"])
    value = some.choice(["/etc/shadow", "x", 0, None, ["a"], {"a": 1}, True])
    change_decision(
        b,
        lambda all_of: [
            msgspec.structs.replace(one, params={**one.params, name: value}) if n == at else one
            for at, one in enumerate(all_of)
        ],
    )


def module(b: Bench, some: Random) -> None:
    name = some.choice(["shell", "command", "file", "template", "user"])
    change_decision(b, lambda all_of: [msgspec.structs.replace(all_of[0], module=name), *all_of[1:]])


def host(b: Bench, some: Random) -> None:
    n = some.randrange(2)
    change_decision(
        b,
        lambda all_of: [
            msgspec.structs.replace(one, host="web1") if n == at else one for at, one in enumerate(all_of)
        ],
    )


def order(b: Bench, some: Random) -> None:
    ways: list[Callable[[list[ActionSpec]], list[ActionSpec]]] = [
        lambda all_of: all_of[::-1], lambda all_of: all_of[:1], lambda all_of: all_of[1:],
        lambda all_of: [*all_of, all_of[0]], lambda all_of: [all_of[1], *all_of],
    ]  # fmt: skip
    change_decision(b, some.choice(ways))


def digest(b: Bench, some: Random) -> None:
    column = some.choice(["effects_digest", "observations_digest", "salt"])
    set_approval(b, column, ":new", new=one_digit(some, getattr(latest(b), column)))


def digest_of_vote(b: Bench, some: Random) -> None:
    column = some.choice(["effects_digest", "observations_digest"])
    set_vote(b, column, ":new", new=one_digit(some, getattr(latest(b), column)))


def swapped(b: Bench, some: Random) -> None:
    """With what the approval of the other loop is bound to."""
    other = "(SELECT {} FROM approvals WHERE loop_id != :loop)"
    for column in some.choice([["effects_digest"], ["effects_digest", "salt"], ["salt"]]):
        set_approval(b, column, other.format(column))
    if some.random() < 0.5:
        set_vote(b, "effects_digest", other.format("effects_digest"))


def votes_of_another(b: Bench, some: Random) -> None:
    mine = "(SELECT id FROM approvals WHERE loop_id = :loop)"
    sql(b, f"DELETE FROM approval_votes WHERE approval_id = {mine}")
    sql(b, f"UPDATE approval_votes SET approval_id = {mine}")


def replayed(b: Bench, some: Random) -> None:
    """An approval of an earlier time: everything in it is of then."""
    back = 86_400 * SECOND + some.randrange(1, 10**13)
    for column in ("asked_at", "deadline_at"):
        set_approval(b, column, f"{column} - :back", back=back)
    set_vote(b, "given_at", "given_at - :back", back=back)


def expired(b: Bench, some: Random) -> None:
    before = some.randrange(0, 1000)
    vote = "SELECT given_at FROM approval_votes WHERE approval_id = approvals.id"
    set_approval(b, "asked_at", f"({vote}) - 100000")
    set_approval(b, "deadline_at", f"({vote}) - :before", before=before)


def vote_time(b: Bench, some: Random) -> None:
    away = some.randrange(1, 10**12)
    asked = latest(b)
    new = some.choice([asked.asked_at - away, asked.deadline_at + away - 1])
    set_vote(b, "given_at", ":new", new=max(new, 1))


def future(b: Bench, some: Random) -> None:
    away = some.randrange(60 * SECOND, 10**12)
    for column in ("deadline_at", "asked_at"):
        set_approval(b, column, f"{column} + :away", away=away)
    if some.random() < 0.5:
        set_vote(b, "given_at", "given_at + :away", away=away)


def people(b: Bench, some: Random) -> None:
    need = some.choice([
        RequiredPeople(people=some.randrange(2, 100)),
        RequiredPeople(by=some.choice(["administer", "root", "", "else"])),
        RequiredPeople(group=some.choice(["network", "DBA", "dba ", "db"])),
        RequiredPeople(not_requester=True),
    ])  # fmt: skip
    set_approval(b, "needs", ":needs", needs=msgspec.json.encode([need]).decode())
    if need.not_requester and some.random() < 0.5:
        set_approval(b, "requester", "1001")


def voter(b: Bench, some: Random) -> None:
    match some.randrange(3):
        case 0:
            sql(b, "DELETE FROM approval_votes")
        case 1:
            set_vote(b, "approved", "0")
        case _:
            set_vote(b, "access", ":level", level=some.choice(["", "view", "VIEW", "Operate", "operate ", "none"]))


def state(b: Bench, some: Random) -> None:
    new = some.choice(["rejected", "void", "expired"])
    sql(b, "UPDATE approvals SET state = :new, ended_at = asked_at, reason = 'no' WHERE loop_id = :loop", new=new)


def observation(b: Bench, some: Random) -> None:
    b.modules.world[some.choice(["load", "free", "x"])] = some.choice([some.random(), "", None, [some.random()]])


def address(b: Bench, some: Random) -> None:
    b.modules.addresses["localhost"] = f"10.0.{some.randrange(256)}.{some.randrange(1, 255)}"


KINDS = (
    parameter, module, host, order, digest, digest_of_vote, swapped, votes_of_another, replayed, expired, vote_time,
    future, people, voter, state, observation, address,
)  # fmt: skip


async def approved(tmp_path: Path) -> tuple[Path, int]:
    """A database with two loops whose actions are approved, and the first of them."""
    with asking(tmp_path) as b:
        await b.run()
        approve(b)
        first = b.loop_id
        with b.database.write() as tx:
            b.loop_id = loop_rows.create_loop(tx, msgspec.structs.replace(b.loop().spec, name="other")).id
        await b.run()
        approve(b)
        return b.database.path, first


def copied(original: Path, loop_id: int, to: Path) -> Bench:
    to.mkdir()
    for file in original.parent.glob(f"{original.name}*"):
        shutil.copy(file, to)
    return Bench(
        database=open_database(to / original.name, create=False),
        loop_id=loop_id,
        modules=world(),
        decider=decider(),
        people=ScriptedPeople(),
        stop=StopSignal(),
        events=[],
        limits=RunLimits(),
    )


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_forged_approval_executes_anything(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "ROUNDS", 10)  # how slow the hash is does not matter here
    original, loop_id = await approved(tmp_path)
    some = Random(part)
    tried: Counter[str] = Counter()
    for number in range(EACH):
        forge = KINDS[(part * EACH + number) % len(KINDS)]
        b = copied(original, loop_id, tmp_path / str(number))
        forge(b, some)
        await b.run()
        assert ran(b) == [], (part, number, forge.__name__)
        b.database.close()
        shutil.rmtree(tmp_path / str(number))
        tried[forge.__name__] += 1
    assert len(tried) == len(KINDS)


async def test_a_salt_that_is_not_hexadecimal_is_a_reason_and_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "ROUNDS", 10)
    original, loop_id = await approved(tmp_path)
    b = copied(original, loop_id, tmp_path / "copy")
    set_approval(b, "salt", ":new", new="z" * 32)
    await b.run()
    assert ran(b) == []
    with b.database.read() as tx:
        forged = approval_rows.previous(tx, latest(b))
    assert forged is not None
    assert forged.reason == "what is stored of the request was changed: its salt is not hexadecimal"
    b.database.close()


async def test_the_approval_as_it_was_given_executes_its_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this, the test above could not fail."""
    monkeypatch.setattr(approvals, "ROUNDS", 10)
    original, loop_id = await approved(tmp_path)
    b = copied(original, loop_id, tmp_path / "copy")
    await b.run()
    assert ran(b) == ["copy", "service"]
    b.database.close()
    assert PARTS * EACH >= 1000
