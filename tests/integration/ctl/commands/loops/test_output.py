"""A stored text in full."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.replies import (
    WholeText,
)
from ftl2_enterprise.protocol.loops.verbs import (
    GetText,
)


def test_a_pipe_gets_the_text_unchanged(service, ctl):
    service.on(GetText, lambda request: WholeText(digest=request.digest, text="line\n\x1b[31mred"))
    assert ctl("output", "abc123")[1] == "line\n\x1b[31mred"
