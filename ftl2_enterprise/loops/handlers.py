"""Who carries out which verb of loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops import handlers_loops, handlers_prompts, handlers_rules, handlers_show
from ftl2_enterprise.protocol import loop_verbs as verbs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.unit import Unit

type Verb = type[Request[Any]]
type Read = Callable[..., Any]


READS: dict[Verb, Read] = {
    verbs.ListLoops: handlers_show.list_loops,
    verbs.ShowLoop: handlers_show.show_loop,
    verbs.GetHistory: handlers_show.get_history,
    verbs.ListActions: handlers_show.list_actions,
    verbs.GetText: handlers_show.get_text,
    verbs.ListPrompts: handlers_prompts.list_prompts,
    verbs.ShowPrompt: handlers_prompts.show_prompt,
    verbs.ListHosts: handlers_show.list_hosts,
    verbs.ListResources: handlers_show.list_resources,
    verbs.ListRules: handlers_rules.list_rules,
    verbs.ShowRule: handlers_rules.show_rule,
}
"""Answered from the database and the table of children; what lists rules, from their files too."""

WRITES: dict[Verb, Unit[..., Any]] = {
    verbs.SubmitLoop: handlers_loops.submit,
    verbs.StartLoop: handlers_loops.start,
    verbs.ResumeLoop: handlers_loops.resume,
    verbs.RetryLoop: handlers_loops.retry,
    verbs.PauseLoop: handlers_loops.pause,
    verbs.StopLoop: handlers_loops.stop,
    verbs.CancelLoop: handlers_loops.cancel,
    verbs.RunLoopNow: handlers_loops.run_now,
    verbs.DeleteLoop: handlers_loops.delete,
    verbs.AnswerPrompt: handlers_prompts.answer,
    verbs.DismissPrompt: handlers_prompts.dismiss,
    verbs.EnableRule: handlers_rules.enable,
    verbs.DisableRule: handlers_rules.disable,
}
"""Handed to the writer; what switches a rule, with its file."""
