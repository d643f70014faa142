"""`policy test`: the tests of a site are asked in one request, and differences are shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ftl2_enterprise.commandline.loops import policy_question
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy

TESTS = """
tests:
  - {name: no shell, module: shell, host: prod, expect: deny, rule: 2}
  - {module: file, params: {path: /etc}, expect: allow}
"""


def answer(ruling: str, rule: int | None = None) -> PolicyAnswer:
    return PolicyAnswer(
        host="h",
        ruling=ruling,
        rule=rule,
        source=None,
        reason="" if rule is None else "why",
        fence="none",
        problem=None,
    )


@pytest.fixture
def tests(tmp_path):
    path = tmp_path / "tests.yaml"
    path.write_text(TESTS)
    return str(path)


def test_tests_that_hold(service, ctl, tests):
    service.on(CheckPolicy, [[answer("deny", 2), answer("deny", 2)], [answer("allow")]])
    status, out, _ = ctl("policy", "test", tests)
    assert status == 0
    assert out.splitlines() == ["ok     no shell", "ok     action file on localhost", "2 tests, 0 failed"]
    assert len(service.asked_for(CheckPolicy)[0].questions) == 2


def test_each_difference_is_shown(service, ctl, tests):
    service.on(CheckPolicy, [[answer("deny", 3)], [answer("deny", 3)]])
    status, out, _ = ctl("policy", "test", tests)
    assert status == 1
    assert out.splitlines() == [
        "failed no shell: expected rule 2 to decide, and it is rule 3",
        "failed action file on localhost: expected allow, and it is deny on h: why",
        "2 tests, 2 failed",
    ]
    document = json.loads(ctl("policy", "test", tests, "--json")[1])
    assert document[0] == {"test": "no shell", "difference": "expected rule 2 to decide, and it is rule 3"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: [", "line 1: it is not YAML"),
        ("", "it has no tests"),
        ("tests: []", "it has no tests"),
        ("tests: [{module: shell}]", "cannot use test 1 of"),
        ("tests: [{module: shell, expect: deny}, {modul: x, expect: deny}]", "cannot use test 2 of"),
        (
            "tests: [{module: shell, expcet: deny}]",
            "tests.yaml: it has the unknown key 'expcet'\nhint: did you mean expect?\n",
        ),
        (
            "tests: [{module: shell, expect: deny, zzz: 1}]",
            "it has the unknown key 'zzz'\nhint: a test has the keys module, expect, name, host, params,",
        ),
        ("tests: [x]", "cannot use test 1 of"),
        ("tests: [{module: shell, expect: refuse}]", "'refuse' is no ruling"),
        (
            "tests: [{module: shel, expect: deny}]",
            "tests.yaml: there is no module 'shel'\nhint: did you mean shell?\n",
        ),
    ],
)
def test_an_invalid_file_is_refused(service, ctl, tmp_path, text, message):
    path = tmp_path / "tests.yaml"
    path.write_text(text)
    status, _, err = ctl("policy", "test", str(path))
    assert status == 2
    assert message in err
    assert "Traceback" not in err
    assert service.asked_for(CheckPolicy) == []


def test_a_missing_file_is_refused(service, ctl, tmp_path):
    assert ctl("policy", "test", str(tmp_path / "none"))[0] == 2
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "it is not UTF-8" in ctl("policy", "test", str(tmp_path / "bytes"))[2]


def test_the_example_of_the_reference_is_a_file_of_tests() -> None:
    page = Path("docs/reference/policy.md").read_text(encoding="utf-8")
    section = page.partition("## Tests of a policy")[2].partition("| key |")[0]
    example = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    found = policy_question.cases(example, "example")
    assert [case.expect for case in found] == ["deny", "allow"]
    rows = page.partition("## Tests of a policy")[2].partition("## Errors")[0].splitlines()
    keys = {key for row in rows if row.startswith("| `") for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert keys == set(policy_question.PolicyCase.__struct_fields__)
