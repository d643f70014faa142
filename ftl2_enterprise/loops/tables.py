"""The tables of loops. Each invariant of a row is a constraint, independent of the code that writes it.

Ids appear in output, notes and facts, so the id of a deleted row is never reused (`ids_never_reused`): a late
answer could otherwise reach the question of another loop.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from ftl2_enterprise.loops.lifecycle import ACTION, APPROVAL, BREAKER, ENDED_LOOPS, ITERATION, LOOP, PROMPT
from ftl2_enterprise.protocol.loops.approvals import ApprovalState, ProposedAction, RequiredPeople
from ftl2_enterprise.protocol.loops.decision import Check, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.hosts import HostState
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    BreakerState,
    CallOutcome,
    Condition,
    Desired,
    IncrementState,
    IterationOutcome,
    IterationState,
    LoopSpec,
    LoopState,
    Mode,
    ObservationState,
    Outcome,
    PendingRetry,
    PromptKind,
    PromptState,
    WaitReason,
)
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.columns import (
    Flag,
    Json,
    Word,
    Words,
    check,
    count,
    flag,
    fraction,
    known,
    listed,
    number,
    reference,
    stored,
)
from ftl2_enterprise.store.dialects import ids_never_reused, only_where
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.store.texts import TextReferrer

loops = Table(
    "loops",
    metadata,
    number(),
    Column("name", Words, nullable=False, unique=True),
    Column("state", Word(LoopState), nullable=False),
    Column("desired", Word(Desired), nullable=False),
    Column("outcome", Word(Outcome), nullable=True),
    Column("reason", Words, nullable=True),
    Column("mode", Word(Mode), nullable=False),
    Column("condition", Word(Condition), nullable=False),
    Column("observed_at", Integer, nullable=True),
    count("run"),
    count("generation"),
    Column("owner", Words, nullable=True),
    count("failures"),
    count("failed_iterations"),
    count("rule_streak"),
    Column("audited_at", Integer, nullable=True),
    Column("next_run_at", Integer, nullable=True),
    count("iteration_count"),
    count("action_count"),
    count("changed_count"),
    count("failed_count"),
    count("model_call_count"),
    fraction("cost_usd", nullable=False),
    count("open_prompts"),
    Column("managed", Flag, nullable=False, server_default=text("0")),
    count("priority"),
    Column("submitted_by", Words, nullable=True),
    Column("restart_at", Integer, nullable=True),
    count("crashes"),
    Column("crashes_since", Integer, nullable=True),
    Column("created_at", Integer, nullable=False),
    Column("started_at", Integer, nullable=True),
    Column("ended_at", Integer, nullable=True),
    Column("updated_at", Integer, nullable=False),
    # Long columns are last: SQLite reads a row from its start, and lists need none of these.
    Column("check", Json(Check), nullable=True),
    Column("next_observations", Json(list[ObservationSpec]), nullable=False, server_default=text("'[]'")),
    Column("desired_state", Words, nullable=False),
    Column("spec", Json(LoopSpec), nullable=False),
    Column("frozen_by", Words, nullable=True),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("taken_revision", Integer, nullable=False, server_default=text("1")),
    Column("retry", Json(PendingRetry), nullable=True),
    Column("left_out", Json(list[str]), nullable=False, server_default=text("'[]'")),
    known("loops", "state", LOOP.states),
    known("loops", "desired", Desired),
    known("loops", "outcome", Outcome),
    known("loops", "mode", Mode),
    known("loops", "condition", Condition),
    check("loops", "name_given", "name <> ''"),
    check("loops", "ended", f"(ended_at IS NOT NULL) = (state IN ({listed(ENDED_LOOPS)}))"),
    check(
        "loops",
        "outcome_given",
        f"state NOT IN ({listed((*ENDED_LOOPS, LoopState.BLOCKED))}) OR outcome IS NOT NULL",
    ),
    check("loops", "rests_until", "state <> 'resting' OR next_run_at IS NOT NULL"),
    check(
        "loops",
        "started",
        "state NOT IN ('running', 'waiting', 'resting', 'blocked', 'completed') OR started_at IS NOT NULL",
    ),
    check(
        "loops",
        "counts",
        "min(run, generation, failures, failed_iterations, rule_streak, crashes) >= 0 AND min(iteration_count, "
        "action_count, changed_count, failed_count, model_call_count, cost_usd, open_prompts) >= 0",
    ),
    flag("loops", "managed"),
    check("loops", "priority_range", "priority BETWEEN -100 AND 100"),
    check("loops", "crashes_since_when", "(crashes > 0) = (crashes_since IS NOT NULL)"),
    **ids_never_reused(),
)
# SQLite uses the partial index only for queries with exactly this condition.
Index("loops_open", loops.c.id, **only_where(loops.c.ended_at.is_(None)))
# Covering: lists read this column from here, because it is stored after the long ones.
Index(
    "loops_frozen",
    *(loops.c[name] for name in ("id", "frozen_by")),
    **only_where(loops.c.frozen_by.is_not(None)),
)
# Covering, for lists, too.
Index(
    "loops_notes",
    *(loops.c[name] for name in ("id", "retry", "left_out")),
    **only_where(text("retry IS NOT NULL OR left_out <> '[]'")),
)
IS_FAILING = "state = 'resting' AND reason <> '' AND frozen_by IS NULL"
"""The condition for a loop that rests after a run that did not converge."""
Index("loops_failing", loops.c.id, **only_where(text(IS_FAILING)))
# A covering index for the query that the manager runs at every pass. It includes the columns of its own condition,
# without which SQLite would read the rows as well.
Index(
    "loops_managed",
    *(
        loops.c[name]
        for name in (
            "id", "state", "desired", "priority", "created_at", "next_run_at", "restart_at", "open_prompts",
            "updated_at", "managed", "ended_at", "revision", "taken_revision",
        )
    ),
    **only_where(text("managed = 1 AND ended_at IS NULL")),
)  # fmt: skip

increments = Table(
    "increments",
    metadata,
    number(),
    reference("loop_id", "loops"),
    Column("n", Integer, nullable=False),
    Column("desired_state", Words, nullable=False),
    Column("state", Word(IncrementState), nullable=False),
    Column("is_fix", Flag, nullable=False),
    Column("reason", Words, nullable=True),
    Column("created_at", Integer, nullable=False),
    Column("started_at", Integer, nullable=True),
    Column("ended_at", Integer, nullable=True),
    UniqueConstraint("loop_id", "n", name="increments_loop_n"),
    known("increments", "state", IncrementState),
    flag("increments", "is_fix"),
    check("increments", "n_from_1", "n >= 1"),
    check("increments", "ended", "(ended_at IS NOT NULL) = (state IN ('converged', 'failed', 'blocked'))"),
    **ids_never_reused(),
)

iterations = Table(
    "iterations",
    metadata,
    number(),
    reference("loop_id", "loops"),
    Column("increment_id", Integer, ForeignKey("increments.id"), nullable=True),
    Column("run", Integer, nullable=False),
    Column("n", Integer, nullable=False),
    Column("state", Word(IterationState), nullable=False),
    Column("outcome", Word(IterationOutcome), nullable=True),
    Column("decided_by", Words, nullable=True),
    Column("reasoning", Words, nullable=True),
    Column("decision", Json(Decision), nullable=True),
    Column("error", Words, nullable=True),
    Column("started_at", Integer, nullable=False),
    Column("decided_at", Integer, nullable=True),
    Column("ended_at", Integer, nullable=True),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("loop_id", "n", name="iterations_loop_n"),
    known("iterations", "state", ITERATION.states),
    known("iterations", "outcome", IterationOutcome),
    check("iterations", "n_from_1", "n >= 1 AND run >= 0"),
    check("iterations", "ended", "(ended_at IS NOT NULL) = (state = 'ended')"),
    check("iterations", "outcome_given", "(outcome IS NOT NULL) = (state = 'ended')"),
    check("iterations", "decided_first", "state NOT IN ('executing', 'asking') OR decided_at IS NOT NULL"),
    **ids_never_reused(),
)
Index("iterations_by_run", iterations.c.loop_id, iterations.c.run, iterations.c.n)
Index(
    "iterations_by_increment",
    iterations.c.increment_id,
    **only_where(iterations.c.increment_id.is_not(None)),
)
Index("iterations_one_open", iterations.c.loop_id, unique=True, **only_where(iterations.c.ended_at.is_(None)))

observations = Table(
    "observations",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("iteration_id", "iterations"),
    Column("name", Words, nullable=False),
    Column("module", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("params", Json(dict[str, Any]), nullable=False),
    Column("origin", Words, nullable=False),
    Column("state", Word(ObservationState), nullable=False),
    *stored("observations", "result"),
    Column("error", Words, nullable=True),
    Column("started_at", Integer, nullable=False),
    Column("ended_at", Integer, nullable=True),
    known("observations", "state", ObservationState),
    check("observations", "ended", "(ended_at IS NOT NULL) = (state <> 'running')"),
    Index("observations_by_iteration", "iteration_id"),
    Index("observations_by_loop", "loop_id"),
    **ids_never_reused(),
)

actions = Table(
    "actions",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("iteration_id", "iterations"),
    Column("n", Integer, nullable=False),
    Column("host", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("module", Words, nullable=False),
    Column("params", Json(dict[str, Any]), nullable=False),
    Column("origin", Words, nullable=False),
    Column("state", Word(ActionState), nullable=False),
    Column("changed", Flag, nullable=True),
    Column("rc", Integer, nullable=True),
    *stored("actions", "stdout"),
    *stored("actions", "stderr"),
    *stored("actions", "output"),
    Column("error", Words, nullable=True),
    Column("started_at", Integer, nullable=True),
    Column("ended_at", Integer, nullable=True),
    *stored("actions", "diff"),
    Column("step", Words, nullable=True),
    Column("part", Integer, server_default=text("0"), nullable=False),
    known("actions", "state", ACTION.states),
    flag("actions", "changed"),
    check("actions", "ended", f"(ended_at IS NULL) = (state IN ({listed(ACTION.open_states)}))"),
    check("actions", "started", "state NOT IN ('running', 'succeeded', 'unknown') OR started_at IS NOT NULL"),
    check("actions", "changed_when_run", "changed IS NULL OR state IN ('succeeded', 'failed')"),
    check("actions", "changed_when_succeeded", "state <> 'succeeded' OR changed IS NOT NULL"),
    check("actions", "rc_when_run", "rc IS NULL OR state IN ('succeeded', 'failed')"),
    Index("actions_by_iteration", "iteration_id"),
    Index("actions_by_loop", "loop_id", "id"),
    **ids_never_reused(),
)
Index("actions_unknown", actions.c.loop_id, actions.c.id, **only_where(actions.c.state == "unknown"))

prompts = Table(
    "prompts",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("iteration_id", "iterations"),
    Column("key", Words, nullable=False),
    Column("question", Words, nullable=False),
    Column("options", Json(list[str]), nullable=False),
    Column("default", Words, nullable=True),
    Column("context", Words, nullable=True),
    Column("state", Word(PromptState), nullable=False),
    Column("answer", Words, nullable=True),
    Column("answered_by", Words, nullable=True),
    Column("asked_at", Integer, nullable=False),
    Column("deadline_at", Integer, nullable=True),
    Column("answered_at", Integer, nullable=True),
    Column("kind", Word(PromptKind), nullable=False, server_default=text("'question'")),
    Column("secret", Flag, nullable=False, server_default=text("0")),
    Column("withdrawn", Words, nullable=True),
    Column("dismissed_by", Words, nullable=True),
    known("prompts", "state", PROMPT.states),
    known("prompts", "kind", PromptKind),
    flag("prompts", "secret"),
    check(
        "prompts",
        "answered",
        "(state = 'answered') = (answer IS NOT NULL) AND (state = 'answered') = (answered_at IS NOT NULL)",
    ),
    check("prompts", "answered_by_someone", "answered_by IS NULL OR state = 'answered'"),
    Index("prompts_by_loop", "loop_id", "id"),
    Index("prompts_by_iteration", "iteration_id"),
    **ids_never_reused(),
)
Index("prompts_open", prompts.c.id, **only_where(prompts.c.state == "open"))
Index(
    "prompts_due",
    *(prompts.c[name] for name in ("deadline_at", "loop_id", "state")),
    **only_where(text("state = 'open' AND deadline_at IS NOT NULL")),
)
Index(
    "prompts_one_open",
    prompts.c.loop_id,
    prompts.c.key,
    unique=True,
    **only_where(prompts.c.state == "open"),
)

AWAITED = (ApprovalState.OPEN, ApprovalState.APPROVED)
"""States of a request that has not ended."""

approvals = Table(
    "approvals",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("iteration_id", "iterations"),
    reference("prompt_id", "prompts"),
    Column("state", Word(ApprovalState), nullable=False),
    Column("needs", Json(list[RequiredPeople]), nullable=False),
    Column("actions", Json(list[ProposedAction]), nullable=False),
    Column("salt", Words, nullable=False),
    Column("effects_digest", Words, nullable=False),
    Column("observations_digest", Words, nullable=False),
    Column("requester", Integer, nullable=True),
    Column("asked_at", Integer, nullable=False),
    Column("deadline_at", Integer, nullable=False),
    Column("ended_at", Integer, nullable=True),
    reference("used_by", "iterations", nullable=True),
    Column("reason", Words, nullable=True),
    Column("authors", Json(list[int]), nullable=False, server_default=text("'[]'")),
    UniqueConstraint("iteration_id", name="approvals_iteration"),
    UniqueConstraint("prompt_id", name="approvals_prompt"),
    known("approvals", "state", APPROVAL.states),
    check("approvals", "ended", f"(ended_at IS NULL) = (state IN ({listed(AWAITED)}))"),
    check("approvals", "used", "(used_by IS NOT NULL) = (state = 'used')"),
    check("approvals", "used_later", "used_by > iteration_id"),
    check("approvals", "bound", "min(length(salt), length(effects_digest), length(observations_digest)) >= 32"),
    check("approvals", "deadline", "deadline_at > asked_at"),
    Index("approvals_by_loop", "loop_id", "id"),
    Index("approvals_by_use", "used_by", unique=True, **only_where(text("used_by IS NOT NULL"))),
    **ids_never_reused(),
)
"""Requests for approval. `ended_at` of a used one is when its actions began."""

approval_votes = Table(
    "approval_votes",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("approval_id", "approvals"),
    Column("uid", Integer, nullable=False),
    Column("name", Words, nullable=False),
    Column("access", Words, nullable=False),
    Column("groups", Json(list[str]), nullable=False),
    Column("approved", Flag, nullable=False),
    Column("reason", Words, nullable=True),
    Column("effects_digest", Words, nullable=False),
    Column("observations_digest", Words, nullable=False),
    Column("given_at", Integer, nullable=False),
    UniqueConstraint("approval_id", "uid", name="approval_votes_person"),
    flag("approval_votes", "approved"),
    check("approval_votes", "name_given", "name <> ''"),
    check("approval_votes", "uid_known", "uid >= 0"),
    Index("approval_votes_by_loop", "loop_id"),
    **ids_never_reused(),
)

hosts = Table(
    "hosts",
    metadata,
    number(),
    reference("loop_id", "loops"),
    Column("name", Words, nullable=False),
    Column("ansible_host", Words, nullable=True),
    Column("ansible_port", Integer, nullable=True),
    Column("ansible_user", Words, nullable=True),
    Column("groups", Json(list[str]), nullable=False, server_default=text("'[]'")),
    Column("facts", Json(dict[str, Any]), nullable=False, server_default=text("'{}'")),
    Column("state", Word(HostState), nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
    UniqueConstraint("loop_id", "name", name="hosts_loop_name"),
    known("hosts", "state", HostState),
    check("hosts", "name_given", "name <> ''"),
    check("hosts", "port_range", "ansible_port BETWEEN 1 AND 65535"),
    **ids_never_reused(),
)

resources = Table(
    "resources",
    metadata,
    number(),
    reference("loop_id", "loops"),
    Column("name", Words, nullable=False),
    Column("data", Json(dict[str, Any]), nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
    UniqueConstraint("loop_id", "name", name="resources_loop_name"),
    check("resources", "name_given", "name <> ''"),
    **ids_never_reused(),
)

loop_revisions = Table(
    "loop_revisions",
    metadata,
    number(),
    reference("loop_id", "loops"),
    Column("n", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("created_by", Words, nullable=True),
    Column("reason", Words, nullable=True),
    Column("restores", Integer, nullable=True),
    Column("spec", Json(LoopSpec), nullable=False),
    UniqueConstraint("loop_id", "n", name="loop_revisions_loop_n"),
    check("loop_revisions", "n_from_1", "n >= 1"),
    check("loop_revisions", "restores_earlier", "restores BETWEEN 1 AND n - 1"),
    **ids_never_reused(),
)
"""What each loop was requested to keep, and since when. The newest one of a loop is in force."""

loop_files = Table(
    "loop_files",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("revision_id", "loop_revisions"),
    Column("path", Words, nullable=False),
    Column("content_digest", Text, ForeignKey("texts.digest"), nullable=False),
    UniqueConstraint("revision_id", "path", name="loop_files_once"),
    check("loop_files", "path_absolute", "substr(path, 1, 1) = '/'"),
    Index("loop_files_content_texts", "content_digest"),
    Index("loop_files_by_loop", "loop_id"),
    **ids_never_reused(),
)

rule_results = Table(
    "rule_results",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("iteration_id", "iterations"),
    Column("rule_name", Words, nullable=False),
    Column("rule_digest", Words, nullable=False),
    Column("matched", Flag, nullable=False),
    Column("fired", Flag, nullable=False),
    Column("success", Flag, nullable=True),
    Column("detail", Words, nullable=True),
    Column("created_at", Integer, nullable=False),
    flag("rule_results", "matched"),
    flag("rule_results", "fired"),
    flag("rule_results", "success"),
    check("rule_results", "fired_when_matched", "fired = 0 OR matched = 1"),
    check("rule_results", "success_when_fired", "success IS NOT 1 OR fired = 1"),
    Index("rule_results_by_iteration", "iteration_id"),
    Index("rule_results_by_loop", "loop_id", "id"),
    **ids_never_reused(),
)

Index(
    "rule_results_fired",
    *(rule_results.c[name] for name in ("rule_name", "created_at", "fired")),
    **only_where(text("fired = 1")),
)

model_calls = Table(
    "model_calls",
    metadata,
    number(),
    reference("loop_id", "loops"),
    reference("iteration_id", "iterations"),
    Column("purpose", Words, nullable=False),
    Column("provider", Words, nullable=False),
    Column("model", Words, nullable=True),
    Column("outcome", Word(CallOutcome), nullable=True),
    Column("input_tokens", Integer, nullable=True),
    Column("output_tokens", Integer, nullable=True),
    fraction("cost_usd"),
    fraction("latency"),
    *stored("model_calls", "request"),
    *stored("model_calls", "response"),
    Column("error", Words, nullable=True),
    Column("started_at", Integer, nullable=False),
    Column("ended_at", Integer, nullable=True),
    known("model_calls", "outcome", CallOutcome),
    check("model_calls", "ended", "(ended_at IS NOT NULL) = (outcome IS NOT NULL)"),
    check("model_calls", "no_refunds", "input_tokens >= 0 AND output_tokens >= 0 AND cost_usd >= 0 AND latency >= 0"),
    Index("model_calls_by_iteration", "iteration_id"),
    Index("model_calls_by_loop", "loop_id", "id"),
    **ids_never_reused(),
)
Index("model_calls_open", model_calls.c.loop_id, **only_where(model_calls.c.ended_at.is_(None)))

model_reservations = Table(
    "model_reservations",
    metadata,
    Column("call_id", Integer, ForeignKey("model_calls.id"), primary_key=True, nullable=False),
    reference("loop_id", "loops"),
    Column("generation", Integer, nullable=False),
    Column("provider", Words, nullable=False),
    Column("day", Integer, nullable=False),
    count("reserved_cost"),
    count("reserved_tokens"),
    Column("settled_cost", Integer, nullable=True),
    Column("settled_tokens", Integer, nullable=True),
    Column("started_at", Integer, nullable=False),
    Column("ended_at", Integer, nullable=True),
    check("model_reservations", "amounts", "min(reserved_cost, reserved_tokens) >= 0"),
    check("model_reservations", "no_refunds", "settled_cost >= 0 AND settled_tokens >= 0"),
    check(
        "model_reservations",
        "settled_at_end",
        "ended_at IS NOT NULL OR (settled_cost IS NULL AND settled_tokens IS NULL)",
    ),
    Index("model_reservations_by_loop", "loop_id"),
    Index("model_reservations_started", "provider", "started_at"),
)
"""What each model call has reserved, and what counts for it since. An open one occupies a place of its provider."""
Index(
    "model_reservations_open",
    *(model_reservations.c[name] for name in ("provider", "loop_id", "generation", "ended_at")),
    **only_where(text("ended_at IS NULL")),
)

model_spending = Table(
    "model_spending",
    metadata,
    Column("scope", Words, primary_key=True, nullable=False),
    count("cost"),
    count("tokens"),
    count("raised_cost"),
    count("raised_tokens"),
    count("overruns"),
    check("model_spending", "scope_given", "scope <> ''"),
    check("model_spending", "amounts", "min(cost, tokens, raised_cost, raised_tokens, overruns) >= 0"),
)
"""Sums of what is reserved and spent, of a loop (`loop:17`) and of a day (`day:20788`), and by how much a person has
raised the limit of the day. The sum of a day includes loops that were deleted since.
"""

model_waits = Table(
    "model_waits",
    metadata,
    number(),
    reference("loop_id", "loops"),
    Column("generation", Integer, nullable=False),
    Column("provider", Words, nullable=False),
    Column("reason", Word(WaitReason), nullable=False),
    Column("until", Integer, nullable=True),
    Column("places", Integer, nullable=True),
    Column("queued_at", Integer, nullable=False),
    UniqueConstraint("loop_id", name="model_waits_loop"),
    known("model_waits", "reason", WaitReason),
    check("model_waits", "places_from_1", "places >= 1"),
    **ids_never_reused(),
)
"""Loops that wait to call a model, in order. A row of a loop that no live process runs does not count."""
Index("model_waits_by_provider", model_waits.c.provider, model_waits.c.id)

model_providers = Table(
    "model_providers",
    metadata,
    number(),
    Column("name", Words, nullable=False),
    Column("state", Word(BreakerState), nullable=False),
    count("failures"),
    count("openings"),
    Column("retry_at", Integer, nullable=True),
    Column("not_before", Integer, nullable=True),
    Column("probe", Integer, nullable=True),
    Column("error", Words, nullable=True),
    Column("updated_at", Integer, nullable=False),
    UniqueConstraint("name", name="model_providers_name"),
    known("model_providers", "state", BREAKER.states),
    check("model_providers", "counts", "min(failures, openings) >= 0"),
    check("model_providers", "open_until", "(state = 'open') <= (retry_at IS NOT NULL)"),
    check("model_providers", "one_probe", "(state = 'half_open') = (probe IS NOT NULL)"),
    **ids_never_reused(),
)
"""The circuit breaker of each provider of models, which all processes share. `probe` is the id of a model call."""

disabled_rules = Table(
    "disabled_rules",
    metadata,
    Column("name", Words, primary_key=True, nullable=False),
    Column("disabled_by", Words, nullable=True),
    Column("disabled_at", Integer, nullable=False),
    check("disabled_rules", "name_given", "name <> ''"),
)

TEXT_REFERRERS = (
    TextReferrer(observations, ("result",)),
    TextReferrer(actions, ("stdout", "stderr", "output", "diff")),
    TextReferrer(model_calls, ("request", "response")),
    TextReferrer(loop_files, ("content",)),
)
"""The stored texts of loops."""

texts.register(*TEXT_REFERRERS)
