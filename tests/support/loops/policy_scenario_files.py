"""What a scenario of policy needs on the disk: its policy, its inventory and its files."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.ports import HostEntry
from tests.support.loops.policy_scenarios import INVENTORY

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
    from tests.support.loops.policy_scenarios import Scenario


def filled(value: Any, tmp: Path) -> Any:
    """The value with `{tmp}` replaced; twice, if the directory is not absolute there."""
    match value:
        case str():
            text = value.replace("$HOME/{tmp}", "$HOME/" + os.path.relpath(tmp, Path.home()))
            text = text.replace("~/../{tmp}", "~/" + os.path.relpath(tmp, Path.home()))
            return text.replace("{tmp}", str(tmp)).replace("{{", "{").replace("}}", "}")
        case list():
            return [filled(one, tmp) for one in cast("list[Any]", value)]
        case dict():
            return {key: filled(one, tmp) for key, one in cast("dict[str, Any]", value).items()}
        case _:
            return value


def policy_file(one: Scenario, tmp: Path) -> Path:
    rule = {"decision": "deny", "match": filled(dict(one.match), tmp), "applies_to": ["actions", "observations"]}
    file = tmp.parent / "policy.yml"
    file.write_text(json.dumps({"rules": [rule]}))
    return file


def inventory_of(one: Scenario, tmp: Path) -> Inventory:
    file = tmp.parent / "hosts.yml"
    file.write_text(INVENTORY)
    found = inventory_files.load(file)
    for name in one.removes:
        with contextlib.suppress(Problem):
            found.remove(name)
    for given in one.add_hosts:
        entry = HostEntry(**{**given, "groups": tuple(given.get("groups", ()))})
        with contextlib.suppress(Problem):
            found.add(entry)
    return found


def prepare(one: Scenario, tmp_path: Path) -> Path:
    tmp = tmp_path / "t"
    tmp.mkdir()
    if one.prepared:
        subprocess.run(["/bin/sh", "-c", one.prepared], cwd=tmp, check=True)
    return tmp
