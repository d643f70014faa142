"""The handler of each verb of loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops.handlers import (
    hosts as host_handlers,
    loops as loop_handlers,
    policy as policy_handlers,
    prompts as prompt_handlers,
    queries as query_handlers,
    revisions as revision_handlers,
    rules as rule_handlers,
)
from ftl2_enterprise.protocol.loops import verbs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.unit import Unit

type Verb = type[Request[Any]]
type Read = Callable[..., Any]


READS: dict[Verb, Read] = {
    verbs.ListLoops: query_handlers.list_loops,
    verbs.ShowLoop: query_handlers.show_loop,
    verbs.PreviewUpdate: revision_handlers.preview_update,
    verbs.PreviewRollback: revision_handlers.preview_rollback,
    verbs.ListRevisions: revision_handlers.list_revisions,
    verbs.GetRevision: revision_handlers.get_revision,
    verbs.GetRevisionFile: revision_handlers.get_revision_file,
    verbs.GetHistory: query_handlers.get_history,
    verbs.ListActions: query_handlers.list_actions,
    verbs.GetText: query_handlers.get_text,
    verbs.ListPrompts: prompt_handlers.list_prompts,
    verbs.ShowPrompt: prompt_handlers.show_prompt,
    verbs.ListHosts: query_handlers.list_hosts,
    verbs.FindHostKeys: host_handlers.find_host_keys,
    verbs.FindTarget: host_handlers.find_target,
    verbs.ListResources: query_handlers.list_resources,
    verbs.ListRules: rule_handlers.list_rules,
    verbs.ShowRule: rule_handlers.show_rule,
    verbs.CheckPolicy: policy_handlers.check_policy,
    verbs.ShowPolicy: policy_handlers.show_policy,
}
"""Read-only handlers; they read the database and the table of children. Those of rules, policy, keys and names of
hosts, and previews, also read files.
"""

WRITES: dict[Verb, Unit[..., Any]] = {
    verbs.SubmitLoop: loop_handlers.submit_loop,
    verbs.UpdateLoop: revision_handlers.update_loop,
    verbs.RollbackLoop: revision_handlers.rollback_loop,
    verbs.StartLoop: loop_handlers.start_loop,
    verbs.ResumeLoop: loop_handlers.resume_loop,
    verbs.RetryLoop: loop_handlers.retry_loop,
    verbs.PauseLoop: loop_handlers.pause_loop,
    verbs.StopLoop: loop_handlers.stop_loop,
    verbs.CancelLoop: loop_handlers.cancel_loop,
    verbs.RunLoopNow: loop_handlers.run_loop_now,
    verbs.DeleteLoop: loop_handlers.delete_loop,
    verbs.AnswerPrompt: prompt_handlers.answer_prompt,
    verbs.ApprovePrompt: prompt_handlers.approve_prompt,
    verbs.RejectPrompt: prompt_handlers.reject_prompt,
    verbs.DismissPrompt: prompt_handlers.dismiss_prompt,
    verbs.EnableRule: rule_handlers.enable_rule,
    verbs.DisableRule: rule_handlers.disable_rule,
}
"""Units that the writer executes; those of rules get the rule file as an argument."""
