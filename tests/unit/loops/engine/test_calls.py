"""Resolving the paths of a call."""

from __future__ import annotations

import pytest

from ftl2_enterprise.gate.effects import EffectKind, Origin
from ftl2_enterprise.loops.engine.calls import RequestedCall, places_of
from ftl2_enterprise.loops.ports import ModuleResult

CALL = RequestedCall(
    kind=EffectKind.ACTION, origin=Origin.MANIFEST, module="copy", params={"dest": "/a"}, host="web1", timeout=1.0
)


@pytest.mark.parametrize("output", [{}, {"resolved": {}}, {"resolved": {"/b": ["/b"]}}])
def test_a_reply_without_a_path_ends_the_call(output):
    found = places_of(ModuleResult(success=True, output=output), ["/a"], CALL)
    assert isinstance(found, ModuleResult)
    assert not found.success
    assert found.error == "cannot resolve paths on web1 for a policy rule: its reply does not have all of them"


def test_each_path_has_the_places_of_the_reply():
    reply = ModuleResult(success=True, output={"resolved": {"/a": ["/link", "/b"]}})
    assert places_of(reply, ["/a"], CALL) == {"/a": ("/link", "/b")}
