"""The scenarios of the views of the service, by the name of the golden file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import LoopConverged, LoopFailed, LoopStarted, PromptAsked
from ftl2_enterprise.protocol.loops.nouns import Outcome
from ftl2_enterprise.protocol.service.verbs import Health, LogLine, ProcessHealth, Reloaded, SettingLine
from ftl2_enterprise.render.exit_status import MEANINGS
from ftl2_enterprise.render.fact_roles import role_of
from ftl2_enterprise.render.service.events import event_line
from ftl2_enterprise.render.service.health import health_lines
from ftl2_enterprise.render.service.logs import log_line
from ftl2_enterprise.render.service.settings import reloaded_lines, settings_table
from ftl2_enterprise.render.text import line
from tests.snapshots.scenario import NOW, FixedReader, Scenario, fixed
from tests.support.data import awkward
from tests.support.data.builders import ago, changed, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.render.text import Line

HEALTHY = Health(
    ok=True,
    problems=[],
    status="3 loops, 1 running",
    processes=[
        ProcessHealth("control", 101, ago(7200)),
        ProcessHealth("writer", 102, ago(60), 2),
        ProcessHealth("forkserver", None, None, 1),
    ],
    counts={"running": 1, "resting": 2},
    writer_latency=0.0042,
    looked_at=ago(3),
    started_at=ago(86_400 * 3),
    draining=False,
    database="/var/lib/ftl2-enterprise/loops.db",
    socket="/run/ftl2-enterprise/ctl.sock",
)
UNHEALTHY = changed(
    HEALTHY, ok=False, problems=["the disk is full", awkward.PARAGRAPH], warnings=[awkward.CONTROL],
    status="stopping: 3 running; the disk is full", draining=True, counts={},
    writer_latency=None, looked_at=None, database="/" + awkward.LONG,
)  # fmt: skip
SETTINGS = [
    SettingLine("loops.rules_dir", "/etc/ftl2-enterprise/rules", "default"),
    SettingLine("supervisor.max_running", 200, "/etc/ftl2-enterprise/conf.d/10-limits.toml", after_restart=400),
    SettingLine("model.extra", ["a", "b"], "environment"),
    SettingLine("notify.enabled", False, "default"),
    SettingLine("loops.inventory", None, "default"),
    SettingLine("loops.environment", awkward.LONG + awkward.CONTROL, "flag"),
]
LOGS = [
    LogLine(ago(3), "info", "started", "control", {"pid": 101, "loop": 1}),
    LogLine(ago(2), "warning", "the writer is slow", "writer", {"seconds": 1.25}),
    LogLine(ago(1), "error", awkward.CONTROL, "loop:web", {"loop": "web", "text": awkward.CONTROL, "empty": ""}),
    LogLine(ago(0), "critical", awkward.PARAGRAPH, awkward.LONG, {}),
]
EVENTS = [
    event(7, LoopStarted, run=3),
    event(8, PromptAsked, question="Restart nginx now?", options=["yes", "no"], deadline_at=ago(-60)),
    event(1234567, LoopConverged, iterations=2, changed=1, by="manifest"),
    event(1234568, LoopFailed, outcome=Outcome.FAILED, reason=awkward.CONTROL),
    changed(event(1234569, "future.kind", "", actor_name="x"), actor="ada (uid 1000, pid 8)"),
]
NAMES = ("web", awkward.WIDE, awkward.LONG, "web", "")


def healthy(found: Health) -> Callable[[FixedReader], list[Line]]:
    return lambda reader: health_lines(fixed(found), NOW, reader.room)


GOLDEN = {
    "health": [Scenario("healthy", healthy(HEALTHY), has_colour=True), Scenario("unhealthy", healthy(UNHEALTHY))],
    "settings": [Scenario("settings", lambda reader: settings_table(SETTINGS, reader.room), has_colour=True)],
    "reload": [
        Scenario("nothing changed", lambda _: reloaded_lines(Reloaded([], []))),
        Scenario("another policy", lambda _: reloaded_lines(Reloaded([], [], policy_changed=True))),
        Scenario(
            "changed values", lambda _: reloaded_lines(Reloaded(["loops.policy", "store.path"], ["store.path"]))
        ),
    ],
    "logs": [Scenario("every level", lambda _: [log_line(fixed(one)) for one in LOGS], has_colour=True)],
    "events": [
        Scenario(
            "events",
            lambda _: [
                event_line(fixed(one), name, role_of(fact_of(one))) for one, name in zip(EVENTS, NAMES, strict=True)
            ],
            has_colour=True,
        )
    ],
    "exit_statuses": [
        Scenario("meanings", lambda _: [line(f"{status.value}: {meaning}") for status, meaning in MEANINGS.items()])
    ],
}
