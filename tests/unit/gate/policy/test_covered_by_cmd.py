"""What `param.cmd` in a rule that denies is compared with, as the reference lists it."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.gate.verdicts import Ruling
from tests.unit.gate.policy.test_decisions import judge, policy


def is_denied(pattern: str, module: str, params: dict[str, Any]) -> bool:
    return judge([policy(("deny", {"param.cmd": pattern}))], module, **params).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("shell", {"cmd": "rm x"}),
        ("command", {"argv": ["rm", "x"]}),
        ("shell", {"_raw_params": "rm x"}),
        ("shell", {"free_form": "rm x"}),
        ("shell", {"cmd": "cat", "stdin": "rm x"}),
        ("shell", {"cmd": "sh", "environment": {"A": "rm x"}}),
        ("shell", {"cmd": "true", "executable": "rm x"}),
    ],
)
def test_each_parameter_with_a_command(module: str, params: dict[str, Any]) -> None:
    assert is_denied("rm x", module, params)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("make", True),
        ("cd /srv/app && make", True),
        ("cd /srv/*", True),
        ("cd /srv/other*", False),
        ("cd /srv/app", False),
        ("/srv/app", False),
    ],
)
@pytest.mark.parametrize("params", [{"cmd": "make"}, {"argv": ["make"]}])
def test_a_command_with_chdir_is_compared_as_one_line_too(
    pattern: str, params: dict[str, Any], expected: bool
) -> None:
    assert is_denied(pattern, "command", {**params, "chdir": "/srv/app"}) is expected


def test_the_directory_alone_is_another_condition() -> None:
    rules = policy(("deny", {"param.chdir": "/srv/app"}))
    assert judge([rules], "command", cmd="make", chdir="/srv/app").ruling is Ruling.DENY
