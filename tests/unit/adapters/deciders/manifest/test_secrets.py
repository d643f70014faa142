"""A manifest names its secrets, and only what changes a host can use them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.secret_references import reference
from ftl2_enterprise.loops.secrets import Bindings, Secret, complete, parse_bindings
from tests.support.loops.manifests import SmallEngine, manifest, run_here

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.deciders.manifest.plan import ManifestPlan
    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult

HEAD = "version: 1\nname: a\nsecrets: {db: DB}\nquestions: [{key: q, question: Q}]\n"


def load(text: str, directory: Path = Path("/nowhere")) -> ManifestPlan:
    return manifest(HEAD + text, directory)


def step(action: str, more: str = "") -> str:
    return f"steps:\n  - {{name: a, check: {{path: /a}}, {more}{action}}}\n"


CMD = "action: {module: shell, params: {cmd: x}}"
REFUSED = {
    "an unknown name": (step('action: {module: uri, params: {body: "{{ secrets.dB }}"}}'), "which does not exist"),
    "when": (step(CMD, 'when: "secrets.db == 1", '), "written as {{ secrets.NAME }}"),
    "when, alone": (step(CMD, 'when: "{{ secrets.db }}", '), "cannot be used here"),
    "a check": (
        f'steps:\n  - {{name: a, check: {{command: "x {{{{ secrets.db }}}}"}}, {CMD}}}\n', "cannot be used here",
    ),
    "an expectation": (
        f'steps:\n  - {{name: a, check: {{command: "x", expect: {{rc: "{{{{ secrets.db }}}}"}}}}, {CMD}}}\n',
        "cannot be used here",
    ),
    "an observation": (
        'observe: [{name: o, module: shell, params: {cmd: "{{ secrets.db }}"}}]\n' + step(CMD), "cannot be used here",
    ),
    "a host": (step(CMD, 'host: "{{ secrets.db }}", '), "the host"),
    "a variable": ('vars: {x: "{{ secrets.db }}"}\n' + step(CMD), "may read only vars"),
    "a command line": (step('action: {module: shell, params: {cmd: "x {{ secrets.db }}"}}'), "command lines"),
    "arguments": (step('action: {module: command, params: {argv: [x, "{{ secrets.db }}"]}}'), "command lines"),
    "a path": ('steps:\n  - {name: a, copy: {dest: "/a/{{ secrets.db }}", content: x}}\n', "cannot be used here"),
    "a path of a module": (
        step('action: {module: lineinfile, params: {path: "/{{ secrets.db }}", line: x}}'), "which is a path",
    ),
    "a filter": (step('action: {module: uri, params: {body: "{{ secrets.db | upper }}"}}'), "without filters"),
    "a condition": (
        step('action: {module: uri, params: {body: "{% if secrets.db %}x{% endif %}"}}'), "without filters",
    ),
    "a set": (step('action: {module: uri, params: {body: "{% set x = secrets.db %}{{ x }}"}}'), "without filters"),
    "a block": (
        step('action: {module: uri, params: {body: "{% filter upper %}{{ secrets.db }}{% endfilter %}"}}'),
        "without filters",
    ),
    "all of them": (step('action: {module: uri, params: {body: "{{ secrets }}"}}'), "without filters"),
    "a reason": (
        step('action: {module: uri, reason: "for {{ secrets.db }}", params: {body: x}}'), "cannot be used here",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED)
def test_a_secret_is_refused_where_it_could_be_seen(text: str, why: str) -> None:
    with pytest.raises(Problem) as caught:
        load(text)
    assert caught.value.message.startswith("cannot use m.yaml:")
    assert why in caught.value.message


def engine(text: str, directory: Path) -> tuple[SmallEngine, list[str]]:
    """An engine that reveals secrets as the real one does; and the contents as they were decided."""
    bindings = Bindings(named={"db": Secret("hunter2")})
    decider = ManifestDecider(load(text, directory), reveal=bindings.reveal)
    decided: list[str] = []

    def run(call: ModuleCall) -> ModuleResult:
        if call.module == "copy":
            decided.append(call.params["content"])
        return run_here(replace(call, params=bindings.reveal(call.params)))

    return SmallEngine(decider, {"q": f"{reference('db')} {reference('q')}"}, run), decided


@pytest.mark.parametrize(
    "step",
    ["template: {{src: t.j2, dest: {file}}}", 'copy: {{dest: {file}, content: "p={{{{ secrets.db }}}};\\n"}}'],
    ids=["template", "copy"],
)
def test_decisions_refer_to_the_secret_and_drift_is_seen(tmp_path: Path, step: str) -> None:
    (tmp_path / "t.j2").write_text("p={{ secrets.db }};\n")
    file = tmp_path / "file"
    small, decided = engine(f"steps:\n  - {{name: a, {step.format(file=file)}}}\n", tmp_path)
    assert small.converge() == 2
    assert decided == [f"p={reference('db')};\n"]
    assert file.read_text() == "p=hunter2;\n"
    file.write_text("p=hunter3;\n")
    assert small.converge() == 2
    assert file.read_text() == "p=hunter2;\n"
    assert "hunter2" not in repr(small.decisions)


def test_what_hosts_and_people_write_refers_to_no_secret(tmp_path: Path) -> None:
    (tmp_path / "evil").write_text(reference("db"))
    file = tmp_path / "file"
    text = (
        f"observe: [{{name: o, module: shell, params: {{cmd: cat {tmp_path}/evil}}}}]\n"
        f'steps:\n  - {{name: a, copy: {{dest: {file}, content: "{{{{observed.o.stdout}}}} {{{{answers.q}}}}"}}}}\n'
    )
    small, _ = engine(text, tmp_path)
    small.converge()
    assert file.read_text() == "[secret:db⟧ [secret:db⟧ [secret:q⟧"


ASKED = "version: 1\nname: a\nquestions: [{key: phrase, question: Q, secret: true}]\n"
REFUSED_QUESTIONS = {
    "as an answer": (
        ASKED + step('action: {module: uri, params: {body: "{{ answers.phrase }}"}}'), "reads answers.phrase, which",
    ),
    "a default": (ASKED.replace("secret:", "default: x, secret:") + step(CMD), "is a secret, has `default`"),
    "options": (ASKED.replace("secret:", "options: [x], secret:") + step(CMD), "is a secret, has `options`"),
    "listed twice": (ASKED + "secrets: {phrase: DB}\n" + step(CMD), "is listed under `secrets` too"),
    "the name of a secret": (
        ASKED.replace("phrase", "db_password").replace(", secret: true", "") + step(CMD), "has the name of a secret",
    ),
    "a command line": (
        ASKED + step('action: {module: shell, params: {cmd: "x {{ secrets.phrase }}"}}'), "command lines",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "why"), REFUSED_QUESTIONS.values(), ids=REFUSED_QUESTIONS)
def test_a_question_about_a_secret_is_refused_where_it_could_be_seen(text: str, why: str) -> None:
    with pytest.raises(Problem) as caught:
        manifest(text, Path("/nowhere"))
    assert why in caught.value.message


def test_a_secret_is_asked_for_when_a_step_needs_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    text = ASKED + f'steps:\n  - {{name: a, copy: {{dest: {file}, content: "{{{{ secrets.phrase }}}}"}}}}\n'
    bindings = Bindings(answered={"phrase": Secret("hunter2")})
    decider = ManifestDecider(manifest(text, tmp_path), reveal=bindings.reveal)
    small = SmallEngine(
        decider, {"phrase": "[redacted]"}, lambda call: run_here(replace(call, params=bindings.reveal(call.params)))
    )
    small.converge()
    assert file.read_text() == "hunter2"
    (asked,) = [one.ask for one in small.decisions if one.ask is not None]
    assert (asked.key, asked.secret, asked.default) == ("phrase", True, None)
    assert "hunter2" not in repr(small.decisions)


def test_only_actions_of_a_person_reveal() -> None:
    bindings = Bindings(named={"db": Secret("hunter2")})
    params = {"body": f"p={reference('db')}"}
    assert bindings.inject("uri", params, reveals=True) == {"body": "p=hunter2"}
    assert bindings.inject("uri", params) == params
    assert bindings.values() == ["hunter2"]


def test_names_are_bound_and_completed() -> None:
    environ = {"DB": "hunter2", "OTHER": "hunter3"}
    given = parse_bindings(["db=OTHER"], environ)
    assert complete(given, {"db": "DB"}, environ).values() == ["hunter3"]
    assert complete(Bindings(), {"db": "DB"}, environ).values() == ["hunter2"]
    for bindings, declared, why in (
        (given, {"dbs": "DB"}, "cannot bind db: the desired state has no secret of that name"),
        (Bindings(), {"db": None}, "cannot use secrets.db: it has no source"),
        (Bindings(), {"db": "NONE"}, "cannot bind db: the environment variable NONE is not set"),
        (Bindings(), {"db": "not a source"}, "cannot read the secret binding db=..."),
    ):
        with pytest.raises(Problem) as caught:
            complete(bindings, declared, environ)
        assert caught.value.message.startswith(why)
        assert caught.value.hint
    with pytest.raises(Problem, match="cannot bind db twice"):
        parse_bindings(["db=OTHER", "db=DB"], environ)


STEP = step(CMD)


@pytest.mark.parametrize("key", ["db_password", "pin_secret", "apiKey", "token"])
def test_a_question_for_a_secret_is_refused(key: str) -> None:
    with pytest.raises(Problem) as caught:
        manifest(f"version: 1\nname: a\nquestions:\n  - {{key: {key}, question: Which one}}\n{STEP}")
    assert caught.value.message == (
        f"cannot use m.yaml:4: the question '{key}' has the name of a secret, and answers are stored and shown"
    )
    assert "`secret: true`" in (caught.value.hint or "")


@pytest.mark.parametrize("question", ["key: password, options: [keep, rotate]", "key: token_count", "key: colour"])
def test_other_questions_are_asked(question: str) -> None:
    plan = manifest(f"version: 1\nname: a\nquestions:\n  - {{question: Which one, {question}}}\n{STEP}")
    assert len(plan.questions) == 1
