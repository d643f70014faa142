"""JSON for programs: stored values with readable times, and nothing that identifies the machine."""

from __future__ import annotations

import json

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.lease import Owner
from ftl2_enterprise.render import json_output
from tests.support.data.builders import ago, loop


def test_the_owner_of_a_loop_is_printed_without_its_machine() -> None:
    owner = Owner("408e86da-be77-4ffc-9314-6ba2cd1db0be", 3317, "378872", "0123456789abcdef0123456789abcdef")
    printed = json_output.text(json_output.document([loop(owner=str(owner))]))
    assert json.loads(printed)[0]["owner"] == "408e86da-be77-4ffc-9314-6ba2cd1db0be:3317:378872"
    assert "0123456789abcdef" not in printed
    assert json_output.document(loop(owner=None))["owner"] is None
    assert json_output.document({"params": {"owner": "root"}}) == {"params": {"owner": "root"}}


def test_this_process_is_printed_without_its_machine() -> None:
    machine = lease.parse(lease.current()).machine
    assert machine is not None
    assert machine not in json_output.compact(json_output.document({"loop": loop(owner=lease.current())}))


def test_instants_are_printed_as_times() -> None:
    shown = json_output.document(loop(updated_at=1_700_000_000_000_000, crashes_since=None, started_at=ago(5)))
    assert shown["updated_at"] == "2023-11-14T22:13:20.000Z"
    assert shown["started_at"].endswith("Z")
    assert shown["crashes_since"] is None
    assert shown["run"] == 3
