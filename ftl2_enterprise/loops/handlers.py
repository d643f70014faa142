"""Who carries out which verb of loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops import handlers_loops, handlers_prompts, handlers_rules, handlers_show
from ftl2_enterprise.protocol import loop_verbs as verbs
from ftl2_enterprise.protocol.loop_replies import RuleDetail, RuleInfo
from ftl2_enterprise.store.unit import Unit, UnitCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl2_enterprise.core.child import Child
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.tx import Tx

type Verb = type[Request[Any]]
type Read = Callable[[Tx, Any, Mapping[str, Child]], Any]


def reads(rules_dir: str) -> dict[Verb, Read]:
    """What is answered from the database and the table of children."""

    def list_rules(tx: Tx, request: verbs.ListRules, children: Mapping[str, Child]) -> list[RuleInfo]:
        return handlers_rules.list_rules(tx, request, rules_dir)

    def show_rule(tx: Tx, request: verbs.ShowRule, children: Mapping[str, Child]) -> RuleDetail:
        return handlers_rules.show_rule(tx, request, rules_dir)

    return {
        verbs.ListLoops: handlers_show.list_loops,
        verbs.ShowLoop: handlers_show.show_loop,
        verbs.GetHistory: handlers_show.get_history,
        verbs.ListActions: handlers_show.list_actions,
        verbs.GetText: handlers_show.get_text,
        verbs.ListPrompts: handlers_prompts.list_prompts,
        verbs.ShowPrompt: handlers_prompts.show_prompt,
        verbs.ListHosts: handlers_show.list_hosts,
        verbs.ListResources: handlers_show.list_resources,
        verbs.ListRules: list_rules,
        verbs.ShowRule: show_rule,
    }


def writes(rules_dir: str) -> dict[Verb, Unit[..., Any]]:
    """What is handed to the writer."""
    return {
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
        verbs.EnableRule: _with_rules_dir(handlers_rules.enable, rules_dir),
        verbs.DisableRule: _with_rules_dir(handlers_rules.disable, rules_dir),
    }


@dataclass(frozen=True, eq=False)
class _WithRulesDir(Unit[..., Any]):
    """A unit that is told where the service's rules are: the writer knows no settings."""

    rules_dir: str = ""

    def call(self, *args: Any, **kwargs: Any) -> UnitCall:
        """The unit with its arguments, and the directory behind them."""
        return super().call(*args, **kwargs, rules_dir=self.rules_dir)


def _with_rules_dir(unit: Unit[..., Any], rules_dir: str) -> Unit[..., Any]:
    return _WithRulesDir(unit.name, unit.function, rules_dir)
