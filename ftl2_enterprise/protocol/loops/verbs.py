"""The verbs of loops; `replies` has their replies.

`loop` in a request is a name, an unambiguous prefix of one, or an id; irreversible verbs accept only the complete
name or an id. Writes reply with the row after the request: the intent is written immediately, and applied soon after.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from ftl2_enterprise.protocol.loops.hosts import LONGEST_KEY, MOST_KEYS, HostKeys, TargetMatch, TrustResult
from ftl2_enterprise.protocol.loops.nouns import ActionState, Loop, LoopSpec, Prompt, Revision
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce, PolicyQuestion
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
    RevisionPage,
    RuleDetail,
    RuleInfo,
    WholeText,
)
from ftl2_enterprise.protocol.loops.sent_files import MOST_FILES, SentFile, check_files
from ftl2_enterprise.protocol.loops.spec_limits import LONGEST_TEXT, check_spec
from ftl2_enterprise.protocol.verb import Access, Reference, Request, RowId

type Path = Annotated[str, Meta(max_length=LONGEST_TEXT)]
"""An absolute path."""
type StoredPaths = Annotated[list[Path], Meta(max_length=MOST_FILES)]
type Port = Annotated[int, Meta(ge=1, le=65_535)]
type PageSize = Annotated[int, Meta(ge=1, le=1000)]

# --- verbs that change ---------------------------------------------------------------------------------------------


class SubmitLoop(Request[Loop], frozen=True, tag="loop.submit"):
    """Submit a desired state to the service. Paths are absolute."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    spec: LoopSpec
    paused: bool = False
    """Create the loop paused."""
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    """Loops with a higher priority start first when several wait for a process."""
    files: list[SentFile] = []
    """Files that the specification names, with their content at this moment, which is stored with the loop. The
    service reads files that are not listed itself."""

    def __post_init__(self) -> None:
        """Raises Problem(invalid) for a value outside its limits, here and in the service."""
        check_spec(self.spec)
        check_files(self.files)


class UpdateLoop(Request[Loop], frozen=True, tag="loop.update"):
    """Change the desired state of a loop: the next revision is in force at once. Paths are absolute.

    No action of the earlier revision begins any more; one that has begun ends first.
    """

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: Reference
    spec: LoopSpec
    """The complete specification, with the name of the loop."""
    based_on: RowId
    """The number of the revision that is changed. Refused if another one is in force."""
    reason: Annotated[str, Meta(max_length=2000)] | None = None
    files: list[SentFile] = []
    """As of `SubmitLoop`."""
    keeps: StoredPaths = []
    """Paths of files that are stored with that revision and stay as they are, if they are still needed."""

    def __post_init__(self) -> None:
        """Raises Problem(invalid) for a value outside its limits, here and in the service."""
        check_spec(self.spec)
        check_files(self.files)


class RollbackLoop(Request[Loop], frozen=True, tag="loop.rollback"):
    """Make a revision with the content of an earlier one, as by `UpdateLoop`."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: Reference
    to: RowId
    """The number of the earlier revision."""
    based_on: RowId
    """The number of the revision that is replaced. Refused if another one is in force."""
    reason: Annotated[str, Meta(max_length=2000)] | None = None


class StartLoop(Request[Loop], frozen=True, tag="loop.start"):
    """Run the loop: a new one, a stopped one, a blocked one, or one that a foreground process has left."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: Reference


class PauseLoop(Request[Loop], frozen=True, tag="loop.pause"):
    """Pause the loop after its current step."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    loop: Reference


class ResumeLoop(Request[Loop], frozen=True, tag="loop.resume"):
    """Continue after a pause or a stop, from the step that it had reached."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: Reference


class StopLoop(Request[Loop], frozen=True, tag="loop.stop"):
    """End the loop's process now; its current step is interrupted and recorded as unknown. It can be started again.

    A loop that is being cancelled stays so: only its current step is interrupted, as by `CancelLoop(now=True)`.
    """

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    loop: Reference


class CancelLoop(Request[Loop], frozen=True, tag="loop.cancel"):
    """Cancel the loop after its current step; it cannot be run again."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    loop: Reference
    now: bool = False
    """Interrupt the current step, which is recorded as unknown, even if the loop is being cancelled already."""


class RetryLoop(Request[Loop], frozen=True, tag="loop.retry"):
    """Run a failed or blocked loop again."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: Reference


class RunLoopNow(Request[Loop], frozen=True, tag="loop.run-now"):
    """Let a resting loop run now instead of at its next due time."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True

    loop: Reference


class DeleteLoop(Request[Deleted], frozen=True, tag="loop.delete"):
    """Delete an ended loop with its iterations and actions; its events stay in the event log."""

    access: ClassVar[Access] = Access.ADMINISTER
    writes: ClassVar[bool] = True

    loop: Reference


class AnswerPrompt(Request[Prompt], frozen=True, tag="prompt.answer"):
    """Answer an open question: an option, its number, or free text when there are no options."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    prompt: RowId
    answer: Annotated[str, Meta(max_length=100_000)]
    is_private: bool = False
    """No one else could see the answer where it was typed; a secret is refused without that."""


class ApprovePrompt(Request[Prompt], frozen=True, tag="prompt.approve"):
    """Approve the actions that a prompt lists. It stays open until everyone who has to agree did."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    prompt: RowId
    reason: Annotated[str, Meta(max_length=2000)] = ""


class RejectPrompt(Request[Prompt], frozen=True, tag="prompt.reject"):
    """Reject the actions that a prompt lists: none of them is executed."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    prompt: RowId
    reason: Annotated[str, Meta(max_length=2000)] = ""


class DismissPrompt(Request[Prompt], frozen=True, tag="prompt.dismiss"):
    """Close a question without an answer; its default is used, if it has one."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    prompt: RowId


class EnableRule(Request[RuleInfo], frozen=True, tag="rule.enable"):
    """Enable a rule in every loop."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    rule: Reference


class DisableRule(Request[RuleInfo], frozen=True, tag="rule.disable"):
    """Disable a rule in every loop, until it is enabled."""

    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True

    rule: Reference


class TrustHost(Request[TrustResult], frozen=True, tag="host.trust"):
    """Record public keys of an SSH host in `known_hosts` of the service's user, so that loops can connect to it.

    The keys were compared with those of the host before: the service does not connect to it.
    """

    access: ClassVar[Access] = Access.ADMINISTER

    host: Reference
    """Its name or address, as inventories have it."""
    port: Port
    keys: Annotated[list[Annotated[str, Meta(max_length=LONGEST_KEY)]], Meta(min_length=1, max_length=MOST_KEYS)]
    """Each as `TYPE BASE64`."""
    replace: bool = False
    """Replace other keys of the same types that are recorded for this host and port."""

    def __post_init__(self) -> None:
        """Raises Problem(invalid) for what is not a host or not a key, here and in the service."""
        from ftl2_enterprise.protocol.loops import host_keys  # noqa: PLC0415 - slow, and rarely needed

        host_keys.check_host(self.host)
        host_keys.parse_keys(self.keys)


# --- verbs that read -----------------------------------------------------------------------------------------------


class ListLoops(Request[LoopPage], frozen=True, tag="loop.list"):
    """Loops, newest first; ended ones only if `finished`, or if they failed in the last day."""

    keeps_reply: ClassVar[bool] = True

    finished: bool = False
    before: RowId | None = None
    limit: PageSize = 1000


class ShowLoop(Request[LoopDetail], frozen=True, tag="loop.show"):
    """One loop."""

    loop: Reference


class PreviewUpdate(Request[LoopSpec], frozen=True, tag="loop.preview-update"):
    """The specification that `UpdateLoop` with the same fields would store.

    It is refused as the update would be, except that it may change nothing.
    """

    access: ClassVar[Access] = Access.OPERATE

    loop: Reference
    spec: LoopSpec
    based_on: RowId
    files: list[SentFile] = []
    keeps: StoredPaths = []

    def __post_init__(self) -> None:
        """Raises Problem(invalid) for a value outside its limits, here and in the service."""
        check_spec(self.spec)
        check_files(self.files)


class PreviewRollback(Request[LoopSpec], frozen=True, tag="loop.preview-rollback"):
    """The specification that `RollbackLoop` with the same fields would put in force.

    It is refused as the rollback would be, except that it may change nothing.
    """

    access: ClassVar[Access] = Access.OPERATE

    loop: Reference
    to: RowId
    based_on: RowId


class ListRevisions(Request[RevisionPage], frozen=True, tag="loop.revisions"):
    """The revisions of a loop's desired state, newest first."""

    loop: Reference
    before: RowId | None = None
    limit: PageSize = 50


class GetRevision(Request[Revision], frozen=True, tag="loop.revision"):
    """One revision of a loop's desired state, with its text, its settings and the digests of its files."""

    loop: Reference
    n: RowId


class GetRevisionFile(Request[SentFile], frozen=True, tag="loop.revision-file"):
    """A file of a revision, with its content."""

    loop: Reference
    n: RowId
    path: Path


class GetHistory(Request[History], frozen=True, tag="loop.history"):
    """The last iterations of a loop, or those before `before`."""

    loop: Reference
    actions: bool = False
    before: RowId | None = None
    limit: PageSize = 20
    changed: bool = False
    """Only iterations that changed something, failed or asked; a page may be short although there are more."""


class ListActions(Request[ActionPage], frozen=True, tag="action.list"):
    """Actions of a loop, newest first."""

    loop: Reference
    state: ActionState | None = None
    before: RowId | None = None
    limit: PageSize = 50


class GetText(Request[WholeText], frozen=True, tag="text.get"):
    """The complete text of one that is shown shortened."""

    digest: Reference
    """The digest, or an unambiguous prefix of it."""


class ListPrompts(Request[list[PromptLine]], frozen=True, tag="prompt.list"):
    """Prompts, newest first; only open ones unless `settled`."""

    loop: Reference | None = None
    settled: bool = False
    limit: PageSize = 200


class ShowPrompt(Request[PromptDetail], frozen=True, tag="prompt.show"):
    """One prompt, with the observations of the iteration that asked."""

    prompt: RowId


class ListRules(Request[list[RuleInfo]], frozen=True, tag="rule.list"):
    """The rules in the rules directories of the service and of all loops."""

    loop: Reference | None = None
    """Only the rules that this loop loads: those of its directory that apply to it, and those that state to what they
    apply in no valid form.
    """


class ShowRule(Request[RuleDetail], frozen=True, tag="rule.show"):
    """One rule with its source text, its observations, and when it fired last."""

    rule: Reference


class CheckPolicy(Request[list[list[PolicyAnswer]]], frozen=True, tag="policy.check"):
    """The verdict about each call in question, for each of its hosts. Nothing is called. Paths are absolute."""

    access: ClassVar[Access] = Access.OPERATE

    questions: Annotated[list[PolicyQuestion], Meta(max_length=1000)] = []
    loop: Reference | None = None
    """The loop whose policy, hosts and mode count; None for the site policy alone."""
    policy: Path | None = None
    """A policy file instead of that of the loop."""
    inventory: Path | None = None
    """An inventory instead of that of the loop."""
    files: list[SentFile] = []
    """The policy and the inventory, with their content; the service reads files that are not listed itself."""

    def __post_init__(self) -> None:
        """Raises Problem(invalid) for files that cannot be sent, here and in the service."""
        check_files(self.files)


class ShowPolicy(Request[PolicyInForce], frozen=True, tag="policy.show"):
    """The rules of the site, and of a loop or a file if one is named. Paths are absolute."""

    loop: Reference | None = None
    policy: Path | None = None
    """A policy file instead of that of the loop."""
    inventory: Path | None = None
    """An inventory with whose names those of hosts in rules are compared, instead of those of loops."""
    files: list[SentFile] = []
    """The policy and the inventory, with their content. The service reads neither itself."""

    def __post_init__(self) -> None:
        """Raises Problem(invalid) for files that cannot be sent, here and in the service."""
        check_files(self.files)


class ListHosts(Request[list[HostLine]], frozen=True, tag="host.list"):
    """Hosts of loops, by loop and name."""

    loop: Reference | None = None
    limit: PageSize = 1000


class FindHostKeys(Request[HostKeys], frozen=True, tag="host.find-keys"):
    """The address of an SSH host, and its keys that the service's user trusts."""

    access: ClassVar[Access] = Access.ADMINISTER

    host: Reference
    """A name or address; with an inventory, the name of a host in it."""
    port: Port | None = None
    """Without an inventory, which has the port; null for 22."""
    inventory: Path | None = None
    """An absolute path."""
    files: list[SentFile] = []
    """The inventory, with its content; the service reads files that are not listed itself."""

    def __post_init__(self) -> None:
        """Raises Problem(invalid) for files that cannot be sent, here and in the service."""
        check_files(self.files)


class FindTarget(Request[TargetMatch], frozen=True, tag="host.find"):
    """Whether a loop that has not ended has a host, a group or an address of that name, as a freeze compares it."""

    name: Reference


class ListResources(Request[list[ResourceLine]], frozen=True, tag="resource.list"):
    """Resources of loops, by loop and name."""

    loop: Reference | None = None
    limit: PageSize = 1000


VERBS = (
    SubmitLoop,
    UpdateLoop,
    RollbackLoop,
    PreviewUpdate,
    PreviewRollback,
    ListRevisions,
    GetRevision,
    GetRevisionFile,
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
    ApprovePrompt,
    RejectPrompt,
    DismissPrompt,
    ListRules,
    ShowRule,
    EnableRule,
    DisableRule,
    CheckPolicy,
    ShowPolicy,
    ListHosts,
    FindHostKeys,
    FindTarget,
    TrustHost,
    ListResources,
)
