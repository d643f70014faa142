"""`policy check`: what is asked of the service, and the ruling as lines and as the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.policy import CallKind, CallOrigin, PolicyAnswer, PolicyQuestion
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy

DENIED = PolicyAnswer(
    host="a",
    ruling="deny",
    rule=2,
    source="p.yaml line 3",
    reason="denied by policy rule 2",
    fence="none",
    problem=None,
)
ALLOWED = PolicyAnswer(host="b", ruling="allow", rule=None, source=None, reason="", fence="sandbox", problem=None)
REFUSED = PolicyAnswer(
    host="d", ruling="refused", rule=None, source=None, reason="cannot find the module x", fence="none",
    problem="cannot find the module x",
)  # fmt: skip
ASKED = PolicyAnswer(host="c", ruling="ask", rule=1, source="p.yaml line 1", reason="ask", fence="none", problem=None)


def test_the_question_is_asked_as_it_is_written(service, ctl):
    service.on(CheckPolicy, [[ALLOWED]])
    ctl(
        *("policy", "check", "copy", "--host", "prod", "-p", "dest=/etc/a=b", "-p", 'name=["x", "y"]'),
        *("--kind", "observation", "--origin", "rule", "--environment", "prod"),
        *("--loop", "web", "--policy", "p.yaml", "-i", "hosts.yaml"),
    )
    asked = service.asked_for(CheckPolicy)[0]
    assert asked.questions == [
        PolicyQuestion(
            module="copy",
            host="prod",
            params={"dest": "/etc/a=b", "name": ["x", "y"]},
            kind=CallKind.OBSERVATION,
            origin=CallOrigin.RULE,
            environment="prod",
        )
    ]
    here = Path.cwd()
    assert (asked.loop, asked.policy, asked.inventory) == ("web", str(here / "p.yaml"), str(here / "hosts.yaml"))


def test_a_value_after_a_colon_is_json(service, ctl):
    service.on(CheckPolicy, [[ALLOWED]])
    given = ("uid:=0", "remove:=false", 'name:="bob"', "size:=0.5", "comment:=null", "home=0", "shell=a:=1")
    ctl("policy", "check", "user", *(word for one in given for word in ("-p", one)))
    params = service.asked_for(CheckPolicy)[0].questions[0].params
    assert params == {
        "uid": 0,
        "remove": False,
        "name": "bob",
        "size": 0.5,
        "comment": None,
        "home": "0",
        "shell": "a:=1",
    }
    assert params["remove"] is False
    assert params["home"] == "0"


@pytest.mark.parametrize("word", ["uid:=", "uid:=x", "uid:=NaN", "uid:=1 2", ":=1"])
def test_a_value_that_is_not_json_is_refused(service, ctl, word):
    status, _, err = ctl("policy", "check", "user", "-p", word)
    assert status != 0
    assert "cannot take" in err
    assert service.asked_for(CheckPolicy) == []


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([ALLOWED], 0),
        ([ALLOWED, ASKED], 8),
        ([ALLOWED, ASKED, DENIED], 4),
        ([], 0),
        ([REFUSED], 9),
        ([ASKED, REFUSED, ALLOWED], 9),
        ([REFUSED, DENIED], 4),
    ],
)
def test_the_exit_status_is_the_strictest_ruling(service, ctl, answers, status):
    service.on(CheckPolicy, [answers])
    assert ctl("policy", "check", "x")[0] == status


def test_each_host_has_a_line_with_the_reason(service, ctl):
    service.on(CheckPolicy, [[DENIED, ALLOWED, REFUSED]])
    assert ctl("policy", "check", "x")[1].splitlines() == [
        "deny    a: denied by policy rule 2",
        "allow   b: no rule matches; it runs in the read-only sandbox",
        "refused d: cannot find the module x",
    ]


def test_the_answers_are_json(service, ctl):
    service.on(CheckPolicy, [[DENIED]])
    status, out, _ = ctl("policy", "check", "x", "--json")
    assert status == 4
    assert json.loads(out)[0] == {
        "host": "a",
        "ruling": "deny",
        "rule": 2,
        "source": "p.yaml line 3",
        "reason": "denied by policy rule 2",
        "fence": "none",
        "problem": None,
        "paths": [],
        "frozen": None,
        "revision": None,
        "needs": [],
    }


def test_paths_that_the_host_resolves_are_named(service, ctl):
    unresolved = msgspec.structs.replace(ALLOWED, problem=None, fence="none", paths=["/a/x", "/b"])
    service.on(CheckPolicy, [[unresolved]])
    status, out, _ = ctl("policy", "check", "x")
    why = "before the call, the host resolves /a/x and 1 more, and then the call is judged again"
    assert (status, out.strip()) == (0, f"allow   b: no rule matches; {why}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "dest"], "cannot take 'dest' for --param"),
        (["-p", "=x"], "cannot take '=x' for --param"),
        (["-p", "a=1", "-p", "a=2"], "cannot take the parameter a twice"),
        (["-p", "a=[1"], "cannot take the value of a: it is not JSON"),
        (["--kind", "change"], "cannot take 'change'"),
        (["--kind", "model_call"], "cannot take 'model_call'"),
        (["--model", "m"], "cannot use --model with a module: a request to a model is no call"),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_asked(service, ctl, words, message):
    status, _, err = ctl("policy", "check", "x", *words)
    assert status == 2
    assert message in err
    assert service.asked_for(CheckPolicy) == []


def test_a_request_to_a_model_is_asked_about(service, ctl):
    answer = msgspec.structs.replace(DENIED, host="")
    service.on(CheckPolicy, [[answer]])
    words = ("--model", "m-1", "--provider", "other", "--purpose", "repair", "--environment", "prod")
    status, out, _ = ctl("policy", "check", *words)
    assert (status, out.strip()) == (4, "deny    request to a model: denied by policy rule 2")
    ctl("policy", "check", "--provider", "claude")
    (first,), (second,) = (asked.questions for asked in service.asked_for(CheckPolicy))
    assert first == PolicyQuestion(
        module="other", params={"model": "m-1", "purpose": "repair"}, kind=CallKind.MODEL_CALL, environment="prod"
    )
    assert (second.module, second.params) == ("claude", {"model": "", "purpose": "decide"})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "cannot check a policy without a module or a model"),
        (["--model", "m", "--host", "a"], "cannot use --host with --model"),
        (["--purpose", "repair", "-p", "a=b"], "cannot use --param with --purpose"),
        (["--model", "m", "--origin", "rule"], "cannot use --origin with --model"),
    ],
)
def test_a_request_to_a_model_has_neither_host_nor_parameters(service, ctl, words, message):
    status, _, err = ctl("policy", "check", *words)
    assert status == 2
    assert message in err
    assert service.asked_for(CheckPolicy) == []


def test_the_line_states_what_would_happen_and_not_what_a_denial_prevents(service, ctl):
    denied = msgspec.structs.replace(DENIED, fence="sandbox")
    shown = msgspec.structs.replace(ASKED, ruling="preview", rule=None, source=None, reason="")
    service.on(CheckPolicy, [[denied, shown]])
    assert ctl("policy", "check", "x")[1].splitlines() == [
        "deny    a: denied by policy rule 2",
        "preview c: no rule matches; it is only shown, since the loop is a dry run",
    ]
