"""Handlers that read loops, one per verb."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.loops.handlers import revisions as revision_handlers
from ftl2_enterprise.loops.handlers.prompts import record_of
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    approvals as approval_rows,
    history as history_rows,
    hosts as host_rows,
    loop_list,
    loops as loop_rows,
    model_queue,
    observations as observation_rows,
    processes as process_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.protocol.loops.nouns import Loop, PromptState
from ftl2_enterprise.protocol.loops.replies import (
    ActionPage,
    History,
    HostLine,
    LoopDetail,
    LoopPage,
    ProcessInfo,
    ResourceLine,
    WholeText,
)
from ftl2_enterprise.protocol.loops.verbs import (
    GetHistory,
    GetText,
    ListActions,
    ListHosts,
    ListLoops,
    ListResources,
    ShowLoop,
)
from ftl2_enterprise.protocol.text import StoredText
from ftl2_enterprise.store import texts

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Table
    from ftl2_enterprise.protocol.loops.nouns import Iteration
    from ftl2_enterprise.store.tx import Tx

MOST_OBSERVATIONS = 1000
"""Observations in a page of history."""
_PREFIX = re.compile(r"[0-9a-f]{6,64}")
"""A prefix of a digest that is long enough to be unique."""
MOST_ACTIONS = 1000
"""Actions in a page of history: thousands with their outputs would block the service, and exceed a frame."""


def list_loops(tx: Tx, request: ListLoops, children: Table) -> LoopPage:
    """Loops, newest first."""
    found, more = loop_list.lines(tx, children, finished=request.finished, before=request.before, limit=request.limit)
    return LoopPage(loops=found, more=more, draining=children.draining)


def show_loop(tx: Tx, request: ShowLoop, children: Table) -> LoopDetail:
    """One loop with its process, open prompts and last iteration."""
    loop = loop_rows.get_loop(tx, request.loop)
    last = loop_rows.get_iterations(tx, loop.id, limit=1, newest=True)
    return LoopDetail(
        loop=loop,
        process=_process(loop, children),
        open_prompts=prompt_rows.get_prompts(tx, loop.id, state=PromptState.OPEN),
        last=last[0] if last else None,
        queued=process_rows.queued(loop.id, children),
        draining=children.draining,
        model_wait=model_queue.get_waits(tx).get(loop.id),
        revision=revision_handlers.newest(tx, loop),
    )


def get_history(tx: Tx, request: GetHistory, children: Table) -> History:
    """A page of iterations in order; without `before` it is the newest page."""
    loop = loop_rows.get_loop(tx, request.loop)
    if request.changed:
        found, more = history_rows.get_changes(tx, loop.id, before=request.before, limit=request.limit)
    else:
        found = loop_rows.get_iterations(tx, loop.id, before=request.before, limit=request.limit + 1, newest=True)
        found, more = found[-request.limit :], found[-request.limit].n if len(found) > request.limit else None
    page = _newest_within_limit(tx, found) if request.actions else found
    if len(page) < len(found):
        more = page[0].n
    ids = [one.id for one in page]
    done = action_rows.get_actions_for_iterations(tx, ids) if request.actions else {}
    return History(
        loop=loop,
        iterations=page,
        actions=[action for one in page for action in done.get(one.id, [])],
        more=more,
        prompts=prompt_rows.of_iterations(tx, loop.id, ids),
        approvals=[record_of(tx, one) for one in approval_rows.of_iterations(tx, loop.id, ids)],
        observations=observation_rows.requested_by_decisions(tx, ids, limit=MOST_OBSERVATIONS),
    )


def _newest_within_limit(tx: Tx, page: list[Iteration]) -> list[Iteration]:
    """The newest iterations, at least one, that together have at most MOST_ACTIONS actions."""
    counts = action_rows.count_actions_of_iterations(tx, [one.id for one in page])
    total, first = 0, len(page)
    while first > 0:
        total += counts.get(page[first - 1].id, 0)
        if total > MOST_ACTIONS and first < len(page):
            break
        first -= 1
    return page[first:]


def list_actions(tx: Tx, request: ListActions, children: Table) -> ActionPage:
    """Actions of a loop, newest first."""
    loop = loop_rows.get_loop(tx, request.loop)
    found = action_rows.newest_actions(
        tx, loop.id, state=request.state, before=request.before, limit=request.limit + 1
    )
    page = found[: request.limit]
    return ActionPage(actions=page, more=page[-1].id if len(found) > request.limit else None)


def get_text(tx: Tx, request: GetText, children: Table) -> WholeText:
    """A complete stored text, by its digest or a prefix of it."""
    prefix, shown = request.digest.lower(), repr(request.digest[:80])
    if not _PREFIX.fullmatch(prefix):
        raise not_found(
            f"cannot find the text {shown}", "give its digest, or at least the first 6 hexadecimal digits of it"
        )
    found = texts.beginning_with(tx, prefix)
    if not found:
        raise not_found(
            f"cannot find the text {shown}",
            "`ftl2ctl actions LOOP` shows the digests; a text is deleted with its loop",
        )
    if len(found) > 1:
        raise invalid(f"cannot find the text {shown}: the prefix is ambiguous", "give more digits of the digest")
    return WholeText(digest=found[0], text=texts.whole(tx, StoredText(digest=found[0])))


def list_hosts(tx: Tx, request: ListHosts, children: Table) -> list[HostLine]:
    """Hosts that loops have registered, by loop and name."""
    loop_id = None if request.loop is None else loop_rows.get_loop(tx, request.loop).id
    found = host_rows.hosts_by_loop(tx, loop_id, limit=request.limit)
    return [HostLine(host=host, loop=name) for name, host in found]


def list_resources(tx: Tx, request: ListResources, children: Table) -> list[ResourceLine]:
    """Resources that loops have registered, by loop and name."""
    loop_id = None if request.loop is None else loop_rows.get_loop(tx, request.loop).id
    found = host_rows.resources_by_loop(tx, loop_id, limit=request.limit)
    return [ResourceLine(resource=resource, loop=name) for name, resource in found]


def _process(loop: Loop, children: Table) -> ProcessInfo | None:
    child = children.get(process_rows.key_of(loop.id))
    if child is not None:
        return ProcessInfo(pid=child.pid, started_at=child.started_at, stopping=child.stopping)
    pid = process_rows.pid_of_loop(loop.id, loop.owner, children)
    return None if pid is None else ProcessInfo(pid=pid, started_at=loop.started_at or loop.updated_at)
