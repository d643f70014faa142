"""The log of a loop, or of the service."""

from __future__ import annotations

import json

from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.protocol.service.verbs import (
    LogLine,
    WatchLogs,
)
from tests.support.data import builders


def test_following_a_log_survives_a_restart_of_the_service(service, ctl):
    def logged(at: int, message: str) -> LogLine:
        return LogLine(at=at, level="info", message=message, source="control")

    log = [logged(1, "a"), logged(2, "b"), logged(2, "c"), logged(3, "d"), logged(4, "e")]

    def found(request: WatchLogs) -> list[LogLine]:
        # The first two watches are ended by the service.
        times = len(service.asked_for(WatchLogs))
        if times == 3:
            raise not_found("cannot find the loop", "that ends it")
        return log[:2] if times == 1 else log

    service.on(WatchLogs, found)
    status, out, _ = ctl("logs", "-f", "-n", "5")
    assert status == 2
    shown = [text.partition("control: ")[2] or text for text in out.splitlines()]
    again = ["the service is unreachable: trying again", "the service is back"]
    assert shown == ["a", "b", *again, "c", "d", "e", *again]
    assert [request.last for request in service.asked_for(WatchLogs)] == [5, 1000, 1000]


def test_a_service_that_was_never_reached_is_not_waited_for(service, ctl):
    service.stop()
    assert ctl("logs", "-f")[0] == 69


def test_lines_with_their_fields(service, ctl):
    line = LogLine(at=builders.NOW, level="error", message="gone\x1b[2J", source="loop:web", fields={"action": 7})
    service.on(WatchLogs, [line])
    status, out, _ = ctl("logs", "web", "-n", "5")
    assert status == 0
    assert out.endswith("error loop:web: gone action=7\n")
    assert service.asked_for(WatchLogs)[0] == WatchLogs(subject="web", last=5)
    assert json.loads(ctl("logs", "--json")[1])["fields"] == {"action": 7}
    fields = {"event": 12, "loop": "web", "loop_id": 1, "iteration": 3, "reasoning": "nginx is down", "rc": 1}
    service.on(WatchLogs, [builders.changed(line, level="debug", message="iteration.decided", fields=fields)])
    assert ctl("logs", "web")[1].endswith('Z loop:web: iteration.decided reasoning="nginx is down" rc=1\n')
    assert json.loads(ctl("logs", "--json")[1])["level"] == "debug"
    service.on(WatchLogs, [])
    assert ctl("logs")[1] == "the log is empty\n"
