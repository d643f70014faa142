"""The resources that loops created or registered."""

from __future__ import annotations

import json

from ftl2_enterprise.protocol.loops.hosts import Resource
from ftl2_enterprise.protocol.loops.replies import (
    ResourceLine,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListResources,
)
from tests.support.data import builders


def test_resources_with_their_data(service, ctl):
    resource = Resource(id=1, loop_id=1, name="vm", data={"ip": "::1"}, created_at=1, updated_at=builders.ago(5))
    service.on(ListResources, [ResourceLine(resource=resource, loop="web")])
    assert "ip=::1" in ctl("resources")[1]
    assert json.loads(ctl("resources", "--json")[1])[0]["resource"]["created_at"].startswith("1970-01-01T")


def test_no_resources(service, ctl):
    service.on(ListResources, [])
    assert ctl("resources")[1].startswith("no resources: machines that loops create")
