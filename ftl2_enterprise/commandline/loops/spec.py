"""The specification of a loop that is submitted to the service, from a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.commandline.loops.desired_state import check_ask_delay, check_interval
from ftl2_enterprise.commandline.loops.options import absolute
from ftl2_enterprise.protocol.loops.labels import parse_labels
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, LoopSpec, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.protocol.service.verbs import SettingLine

LIMITS = ("max_iterations", "interval", "action_timeout", "prompt_timeout", "remediation")
"""Fields that the settings of the service fill in when the command line does not."""


def spec_of(
    given: GivenValues, desired: tuple[str, str | None], settings: Callable[[], Sequence[SettingLine]]
) -> LoopSpec:
    """The specification. `desired` is the text and the path of its file, and `settings` asks the service for its own.

    Paths become absolute. Raises Problem.
    """
    text, source = desired
    mode = Mode(given.maybe("mode") or Mode.SINGLE)
    check_interval(mode, given.maybe_float("interval"))
    spec = LoopSpec(
        # Without a name the service derives one that is free.
        name=given.maybe("name") or "",
        desired_state=text,
        mode=mode,
        decider=given.maybe("decider") or "auto",
        source=source,
        inventory=absolute(given, "inventory"),
        policy=absolute(given, "policy"),
        environment=given.maybe("environment") or "",
        labels=parse_labels(given.many("label")),
        rules_dir=absolute(given, "rules-dir"),
        secrets=given.many("secret"),
        dry_run=given.has("dry-run"),
        run_checks=given.has("run-checks"),
        max_ask_delay=given.number("max-ask-delay", 0),
        model=given.maybe("model"),
        max_cost=given.maybe_float("max-cost"),
        max_tokens=given.maybe_number("max-tokens"),
        **_limits(given, settings),
    )
    check_ask_delay(spec)
    return spec


def _limits(given: GivenValues, settings: Callable[[], Sequence[SettingLine]]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "max_iterations": given.maybe_number("max-iterations"),
        "interval": given.maybe_float("interval"),
        "action_timeout": given.maybe_float("action-timeout"),
        "prompt_timeout": given.maybe_float("prompt-timeout"),
        "remediation": given.maybe("remediation"),
    }
    if any(value is None for value in fields.values()):
        found = {one.key: one.value for one in settings()}
        for field in LIMITS:
            if fields[field] is None:
                fields[field] = found.get(f"loops.{field}")
    found_values = {field: value for field, value in fields.items() if value is not None}
    if "remediation" in found_values:
        found_values["remediation"] = LoopRemediation(found_values["remediation"])
    return found_values
