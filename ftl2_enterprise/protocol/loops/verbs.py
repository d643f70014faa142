"""The verbs of loops; `loop_replies` has what they reply.

`loop` in a request is a name, the beginning of one that no other has, or an id; for what cannot be undone the whole
name or an id. Writes reply with the row as it is then: intent is written at once, and becomes true soon after.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from ftl2_enterprise.protocol.loops.nouns import ActionState, Loop, LoopSpec, Prompt
from ftl2_enterprise.protocol.loops.replies import (
    ActionPage,
    Deleted,
    History,
    HostLine,
    LoopDetail,
    LoopPage,
    PromptDetail,
    PromptLine,
    ResourceLine,
    RuleDetail,
    RuleInfo,
    WholeText,
)
from ftl2_enterprise.protocol.verb import Access, Request

type PageSize = Annotated[int, Meta(ge=1, le=1000)]

# --- what is asked of a loop ---------------------------------------------------------------------------------------


class SubmitLoop(Request[Loop], frozen=True, tag="loop.submit"):
    """Hand a desired state to the service. Paths are absolute."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    spec: LoopSpec
    paused: bool = False
    """Write it down, but do not start it."""
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    """Among loops that wait for a free place, the higher one goes first."""


class StartLoop(Request[Loop], frozen=True, tag="loop.start"):
    """Run the loop: a new one, a stopped one, a blocked one, or one that a foreground process has left."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: str


class PauseLoop(Request[Loop], frozen=True, tag="loop.pause"):
    """Finish the step in hand, then wait."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    loop: str


class ResumeLoop(Request[Loop], frozen=True, tag="loop.resume"):
    """Go on after a pause or a stop, from the step where it was."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: str


class StopLoop(Request[Loop], frozen=True, tag="loop.stop"):
    """End the loop's process now; the step in hand is cut off and recorded as unknown. It can be started again.

    A loop that is being cancelled stays so: what is ended now is its step in hand, as by `CancelLoop(now=True)`.
    """

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    loop: str


class CancelLoop(Request[Loop], frozen=True, tag="loop.cancel"):
    """Withdraw the wish for good: after the step in hand nothing more is done, and the loop is cancelled."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    loop: str
    now: bool = False
    """The step in hand is cut off and recorded as unknown; also of a loop that is being cancelled already."""


class RetryLoop(Request[Loop], frozen=True, tag="loop.retry"):
    """Run a failed or blocked loop once more."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: str


class RunLoopNow(Request[Loop], frozen=True, tag="loop.run-now"):
    """Let a resting loop look now instead of at its next run."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: str


class DeleteLoop(Request[Deleted], frozen=True, tag="loop.delete"):
    """Remove a finished loop with its iterations and actions; the event log keeps that it was there."""

    access: ClassVar[Access] = Access.ADMINISTER
    writes: ClassVar[bool] = True

    loop: str


class AnswerPrompt(Request[Prompt], frozen=True, tag="prompt.answer"):
    """Answer an open question: an option, its number, or free text when there are no options."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    prompt: int
    answer: str


class DismissPrompt(Request[Prompt], frozen=True, tag="prompt.dismiss"):
    """Close a question without an answer; the decider is told so."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    prompt: int


class EnableRule(Request[RuleInfo], frozen=True, tag="rule.enable"):
    """Let a rule fire again."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    rule: str


class DisableRule(Request[RuleInfo], frozen=True, tag="rule.disable"):
    """Keep a rule from firing in every loop, until it is enabled."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    rule: str


# --- what is shown -------------------------------------------------------------------------------------------------


class ListLoops(Request[LoopPage], frozen=True, tag="loop.list"):
    """Loops, newest first; those that have ended only when `finished`, or when they failed in the last day."""

    keeps_reply: ClassVar[bool] = True

    finished: bool = False
    before: int | None = None
    limit: PageSize = 1000


class ShowLoop(Request[LoopDetail], frozen=True, tag="loop.show"):
    """One loop."""

    loop: str


class GetHistory(Request[History], frozen=True, tag="loop.history"):
    """The last iterations of a loop, or those before `before`."""

    loop: str
    actions: bool = False
    before: int | None = None
    limit: PageSize = 20
    changed: bool = False
    """Only those that changed something, failed or asked; a page of them may be short although there are more."""


class ListActions(Request[ActionPage], frozen=True, tag="action.list"):
    """Actions of a loop, newest first."""

    loop: str
    state: ActionState | None = None
    before: int | None = None
    limit: PageSize = 50


class GetText(Request[WholeText], frozen=True, tag="text.get"):
    """The whole of a long text that is shown shortened."""

    digest: str
    """Or its beginning, when it is the only one that begins so."""


class ListPrompts(Request[list[PromptLine]], frozen=True, tag="prompt.list"):
    """Questions, newest first; only open ones unless `settled`."""

    loop: str | None = None
    settled: bool = False
    limit: PageSize = 200


class ShowPrompt(Request[PromptDetail], frozen=True, tag="prompt.show"):
    """One question, and what was seen when it was asked."""

    prompt: int


class ListRules(Request[list[RuleInfo]], frozen=True, tag="rule.list"):
    """Rules of the service's rules directory and of every loop's own."""


class ShowRule(Request[RuleDetail], frozen=True, tag="rule.show"):
    """One rule with its text."""

    rule: str


class ListHosts(Request[list[HostLine]], frozen=True, tag="host.list"):
    """Hosts that loops know, by loop and name."""

    loop: str | None = None
    limit: PageSize = 1000


class ListResources(Request[list[ResourceLine]], frozen=True, tag="resource.list"):
    """Resources that loops remember, by loop and name."""

    loop: str | None = None
    limit: PageSize = 1000


VERBS = (
    SubmitLoop,
    ListLoops,
    ShowLoop,
    StartLoop,
    PauseLoop,
    ResumeLoop,
    StopLoop,
    CancelLoop,
    RetryLoop,
    RunLoopNow,
    DeleteLoop,
    GetHistory,
    ListActions,
    GetText,
    ListPrompts,
    ShowPrompt,
    AnswerPrompt,
    DismissPrompt,
    ListRules,
    ShowRule,
    EnableRule,
    DisableRule,
    ListHosts,
    ListResources,
)
