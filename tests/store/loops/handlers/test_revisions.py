"""What the verbs of revisions do and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.handlers import table as handlers
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopState
from ftl2_enterprise.protocol.loops.replies import RevisionPage
from ftl2_enterprise.protocol.loops.sent_files import SentFile
from ftl2_enterprise.protocol.loops.verbs import (
    GetRevision,
    GetRevisionFile,
    ListRevisions,
    RollbackLoop,
    SubmitLoop,
    UpdateLoop,
)
from ftl2_enterprise.store.events import list_events
from tests.store.loops.handlers.test_loops import do, loop_in
from tests.support.data.database import spec

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.database import Store

FILE = "/srv/motd.j2"


def read(db: Store, request: Request[Any]) -> Any:
    with db.read() as tx:
        return handlers.READS[type(request)](tx, request, Table())


def submitted(db: Store) -> Loop:
    return do(db, SubmitLoop(spec=spec(files={FILE: "1"}), files=[SentFile(path=FILE, content="one")]))


def update(loop: Loop, based_on: int | None = None, content: str = "two", **values: Any) -> UpdateLoop:
    changed = msgspec.structs.replace(loop.spec, files={FILE: content}, **values)
    based_on = loop.revision if based_on is None else based_on
    files = [SentFile(path=FILE, content=content)]
    return UpdateLoop(loop="web", spec=changed, based_on=based_on, reason="because", files=files)


def test_an_update_makes_a_revision_with_its_files(db: Store) -> None:
    loop = submitted(db)
    now = do(db, update(loop, interval=5.0), actor="ann")
    assert (now.id, now.name, now.revision, now.spec.interval) == (loop.id, "web", 2, 5.0)
    page = read(db, ListRevisions(loop="web"))
    assert isinstance(page, RevisionPage)
    assert [(one.n, one.created_by, one.reason, one.changed) for one in page.revisions] == [
        (2, "ann", "because", ["interval", FILE]),
        (1, "eva", None, []),
    ]
    contents = [read(db, GetRevisionFile(loop="web", n=n, path=FILE)).content for n in (1, 2)]
    assert contents == ["one", "two"]
    with db.read() as tx:
        kinds = [event.kind for event in list_events(tx, after=0, limit=100)]
    assert kinds.count("loop.updated") == 1


def test_a_rollback_makes_a_revision_with_the_content_of_an_earlier_one(db: Store) -> None:
    loop = submitted(db)
    do(db, update(loop, interval=5.0))
    now = do(db, RollbackLoop(loop="web", to=1, based_on=2))
    assert (now.revision, now.spec) == (3, loop.spec)
    assert read(db, GetRevision(loop="web", n=3)).restores == 1
    assert read(db, GetRevisionFile(loop="web", n=3, path=FILE)).content == "one"


def test_what_changes_nothing_makes_no_revision(db: Store) -> None:
    loop = submitted(db)
    assert do(db, UpdateLoop(loop="web", spec=loop.spec, based_on=1)) == loop
    do(db, update(loop))
    now = do(db, RollbackLoop(loop="web", to=1, based_on=2))
    for to in (1, 3):
        assert do(db, RollbackLoop(loop="web", to=to, based_on=3)) == now
    assert [one.n for one in read(db, ListRevisions(loop="web")).revisions] == [3, 2, 1]


def test_a_stored_file_that_was_not_sent_is_not_lost(db: Store) -> None:
    """As of a user who may not read it: the service would read it, or refuse to, at the next start of the loop."""
    loop = submitted(db)
    without = msgspec.structs.replace(loop.spec, files={}, interval=5.0)
    with pytest.raises(Problem, match=f"cannot update web: it has the file {FILE}, which was not sent"):
        do(db, UpdateLoop(loop="web", spec=without, based_on=1))
    # Another text may need other files.
    changed = msgspec.structs.replace(without, desired_state="another text")
    assert do(db, UpdateLoop(loop="web", spec=changed, based_on=1)).revision == 2


def test_a_stored_file_that_is_kept_stays(db: Store) -> None:
    loop = submitted(db)
    changed = msgspec.structs.replace(loop.spec, interval=5.0)
    now = do(db, UpdateLoop(loop="web", spec=changed, based_on=1, keeps=[FILE, "/srv/other"]))
    assert now.spec.files == {FILE: "1"}
    assert read(db, GetRevisionFile(loop="web", n=2, path=FILE)).content == "one"


def test_a_change_that_is_based_on_an_earlier_revision_is_refused_and_names_who_made_the_newer_one(db: Store) -> None:
    loop = submitted(db)
    do(db, update(loop, interval=5.0), actor="bob (uid 1000, pid 7)")
    for verb, request in (
        ("update", update(loop, based_on=1)),
        ("roll back", RollbackLoop(loop="web", to=1, based_on=1)),
    ):
        with pytest.raises(Problem) as refused:
            do(db, request)
        assert refused.value.message == f"cannot {verb} web: revision 2 by bob is newer than 1"
        assert refused.value.hint == "see it with `ftl2ctl diff web 1 2`"


def test_the_list_has_pages(db: Store) -> None:
    loop = submitted(db)
    for interval in (5.0, 6.0):
        loop = do(db, update(loop, interval=interval))
    first = read(db, ListRevisions(loop="web", limit=2))
    assert ([one.n for one in first.revisions], first.more) == ([3, 2], 2)
    assert first.revisions[1].changed == ["interval", FILE]
    last = read(db, ListRevisions(loop="web", limit=2, before=first.more))
    assert ([one.n for one in last.revisions], last.more) == ([1], None)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (lambda loop: update(loop, based_on=7), "cannot update web: it has no revision 7"),
        (lambda loop: RollbackLoop(loop="web", to=9, based_on=1), "cannot find the revision 9 of web"),
    ],
)
def test_what_is_refused_changes_nothing(db: Store, request_: Any, words: str) -> None:
    loop = submitted(db)
    with pytest.raises(Problem, match=words):
        do(db, request_(loop))
    assert [one.n for one in read(db, ListRevisions(loop="web")).revisions] == [1]


@pytest.mark.parametrize("state", [LoopState.COMPLETED, LoopState.CANCELLED])
def test_a_loop_that_has_ended_is_refused(db: Store, state: LoopState) -> None:
    with db.write() as tx:
        loop = loop_in(tx, state)
    with pytest.raises(Problem, match="it has ended") as refused:
        do(db, update(loop))
    assert refused.value.hint == "submit a new one"


def test_a_loop_that_is_being_cancelled_or_runs_in_the_foreground_is_refused(db: Store) -> None:
    with db.write() as tx:
        loop = loop_in(tx, LoopState.RUNNING, held=True)
        loop_rows.set_desired(tx, loop.id, Desired.CANCEL)
    with pytest.raises(Problem, match="it is being cancelled"):
        do(db, update(loop))
    with db.write() as tx:
        loop_rows.set_desired(tx, loop.id, Desired.RUN)
        loop_rows.change_loop(tx, loop.id, managed=False, owner=lease.current())
    with pytest.raises(Problem, match="runs it in the foreground"):
        do(db, update(loop))


def test_a_revision_or_file_that_does_not_exist(db: Store) -> None:
    submitted(db)
    with pytest.raises(Problem, match="cannot find the revision 2 of web"):
        read(db, GetRevision(loop="web", n=2))
    with pytest.raises(Problem, match="cannot find the file /x in the revision 1 of web"):
        read(db, GetRevisionFile(loop="web", n=1, path="/x"))
