"""What is refused when a manifest is loaded, each with its file, its line and one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ftl2_enterprise.adapters.deciders.manifest.load import load, looks_like_manifest
from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import read
from ftl2_enterprise.cli.loops.tour.copying import copy_tour
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.manifest import json_schema, schema_text
from tests.support.loops.manifests import manifest, steps
from tests.support.places import REPOSITORY

ROOT = REPOSITORY
HEAD = "version: 1\nname: test\nsteps:\n"
GOOD = HEAD + "  - {name: a, file: {path: /a, state: directory}}\n"
QUESTION = "questions: [{key: size, question: 'How big?', options: [s, m], default: m}]\n"


def step(text: str) -> str:
    return f"{HEAD}  - {{name: a, {text}}}\n"


def refused(text: str, directory: Path = Path("/nowhere"), **variables: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        manifest(text, directory, **variables)
    problem = caught.value
    assert problem.code is Code.INVALID
    assert problem.message.startswith("cannot ")
    assert "\n" not in str(problem)
    return problem


YAML = [
    ("", "cannot use m.yaml: it is empty"),
    ("# only a comment\n", "cannot use m.yaml: it is empty"),
    ("- a\n- b\n", "cannot use m.yaml:1: it is not a mapping"),
    ("just words", "cannot use m.yaml:1: it is not a mapping"),
    (
        "version: 1\nname: x\n\tsteps: []\n",
        "cannot use m.yaml:3: the line is indented with a tab; indent with spaces",
    ),
    (GOOD + "---\n" + GOOD, "cannot use m.yaml:5: it contains more than one document"),
    ("version: 1\nname: [\n", "cannot use m.yaml:3: "),
    ("version: 1\nname: a\nname: b\n", "m.yaml:3: the key 'name' is given twice; it is already on line 2"),
    ("version: 1\nname: !!python/object/apply:os.system [ls]\n", "cannot use m.yaml:2: the tag !!python"),
    ("version: 1\nname: !!binary aGk=\n", "cannot use m.yaml:2: the tag !!binary is not allowed"),
    ("version: 1\n? [a]\n: b\n", "cannot use m.yaml:2: a key is not a text"),
    ("version: 1\nname: \x07\n", "cannot use m.yaml:2: it contains a character that YAML does not allow"),
    ('version: 1\nname: "a\\ud800"\n', "cannot use m.yaml:2: it has half of a character"),
    ('version: 1\nname: x\nvars: {"a\\ude00": 1}\n', "cannot use m.yaml:3: it has half of a character"),
    ("version: 1\nname: x\nvars: &v {a: *v}\n", "an alias refers to a value that contains it"),
    ("version: 1\nname: x\nvars: {<<: {a: 1}}\n", "cannot use m.yaml:3: merge keys (<<) are not supported"),
]
SHAPE = [
    (GOOD.replace("version: 1", "version: 2"), "cannot use m.yaml:1: version cannot be 2; it can be 1"),
    (GOOD.replace("name: test\n", ""), "cannot use m.yaml:1: the manifest has no `name`"),
    (GOOD.replace("name: test", "name: 5"), "cannot use m.yaml:2: name is a number, but it has to be a text"),
    ("version: 1\nname: x\nsteps: []\n", "cannot use m.yaml:3: steps is empty"),
    (GOOD + "step: 1\n", "cannot use m.yaml:5: unknown key `step` in the manifest; did you mean 'steps'?"),
    (
        HEAD + "  - name: a\n    file:\n      path: /a\n      modee: 0644\n",
        "cannot use m.yaml:7: unknown key `modee` in steps[0].file; did you mean 'mode'?",
    ),
    (
        HEAD
        + "  - name: a\n    action: {module: x}\n    check:\n      command: y\n      expect:\n      - op: equal\n",
        "cannot use m.yaml:9: steps[0].check.expect[0].op cannot be 'equal'; it can be absent, at_least,",
    ),
    (
        step("file: {path: /a, state: folder}"),
        "steps[0].file.state cannot be 'folder'; it can be absent, directory, file, link or touch",
    ),
    (HEAD + "  - {file: {path: /a}}\n", "cannot use m.yaml:4: steps[0] has no `name`"),
    (GOOD + "questions: [{key: 9-lives, question: x}]\n", "begins with a letter"),
]
MEANING = [
    (
        HEAD + "  - name: a\n    file: {path: /a}\n  - name: a\n    file: {path: /b}\n",
        "m.yaml:6: steps has 'a' twice",
    ),
    (HEAD + "  - {name: a}\n", "the step 'a' has nothing to do; give exactly one of"),
    (step("file: {path: /a}, copy: {dest: /b, content: x}"), "has `file` and `copy`"),
    (step("action: {module: apt}"), "m.yaml:4: the step 'a' has no check, and none follows from the module 'apt'"),
    (step("requires: [b], file: {path: /a}"), "the step 'a' requires 'b', which is not a step"),
    (
        HEAD + "  - {name: first, file: {path: /a}}\n  - {name: b, requires: [frist], file: {path: /a}}\n",
        "cannot use m.yaml:5: the step 'b' requires 'frist', which is not a step; did you mean 'first'?",
    ),
    (step("requires: [a], file: {path: /a}"), "steps require each other in a circle: a -> a"),
    (
        HEAD + "".join(f"  - {{name: {a}, requires: [{b}], file: {{path: /a}}}}\n" for a, b in ("ab", "bc", "ca")),
        "in a circle: a -> b -> c -> a",
    ),
    (step("file: {path: etc/x}"), "cannot use m.yaml:4: the path 'etc/x' is not absolute"),
    (step("file: {path: ~/x}"), "the path '~/x' is not absolute"),
    (step("file: {path: /x, mode: u=rw}"), "the mode 'u=rw' is not octal digits"),
    (step("file: {path: /x, mode: 0999}"), "the mode '0999' is not octal digits"),
    (step("file: {path: /x, state: link}"), "a link needs `src`"),
    (step("copy: {dest: /x}"), "copy needs exactly one of `content` and `src`"),
    (step("copy: {dest: /x, src: gone.txt}"), "m.yaml:4: the file 'gone.txt' does not exist in /nowhere"),
    (step("template: {dest: /x, src: gone.j2}"), "m.yaml:4: the file 'gone.j2' does not exist in /nowhere"),
    (step("host: [], file: {path: /a}"), "the host is empty"),
    (step("action: {module: copy, params: {dst: /x}}"), "copy has no parameter 'dst'; did you mean 'dest'?"),
    (step("check: {}, action: {module: apt}"), "exactly one of `observe`, `command` and `path`"),
    (step("check: {observe: {module: stat}}, action: {module: apt}"), "needs `expect`"),
    (step("check: {command: x, mode: 0600}, action: {module: apt}"), "belong to a check with `path`"),
    (step("check: {path: /x, expect: {rc: 0}}, action: {module: apt}"), "`expect` belongs to"),
    (GOOD + QUESTION.replace("default: m", "default: xl"), "the default 'xl' of the question 'size' is not one of"),
    (GOOD + "questions: [{key: a, question: x}, {key: a, question: y}]\n", "questions has 'a' twice"),
]
TEMPLATES = [
    (
        step('file: {path: "/{{ vars.rot }}"}') + "vars: {root: x}\n",
        "reads vars.rot, which does not exist; did you mean",
    ),
    (
        step('file: {path: "/{{ root }}"}') + "vars: {root: x}\n",
        "reads root, which does not exist; did you mean vars.root?",
    ),
    (step('file: {path: "/{{ answers.sise }}"}') + QUESTION, "did you mean answers.size?"),
    (step('file: {path: "/{{ observed.x }}"}'), "reads observed.x, which does not exist"),
    (
        step('file: {path: "/{{ observed.os.stdout }}"}') + "observe: [{name: os, module: shell}]\n",
        "reads observed in what it observes",
    ),
    (step('file: {path: "/{{ host|b64encode }}"}'), "No filter named 'b64encode'"),
    (step('file: {path: "/{{ vars. }}"}'), "cannot use m.yaml:4: a template here: "),
    (step("when: 'answers.x ==', file: {path: /a}"), "`when` of 'a': "),
    (step("when: answers.x == 1, file: {path: /a}"), "reads answers.x, which does not exist"),
    (step('host: "{{ answers.size }}", file: {path: /a}') + QUESTION, "a host may read only vars"),
    (GOOD + 'vars: {a: "{{ vars.b }}", b: 1}\n', "the variable 'a': "),
    (GOOD + 'vars: {a: "{{ host }}"}\n', "the variable 'a' reads 'host', but may read only vars"),
]
BAD = [*YAML, *SHAPE, *MEANING, *TEMPLATES]


@pytest.mark.parametrize(("text", "message"), BAD, ids=range(len(BAD)))
def test_a_mistake_is_one_sentence_with_file_and_line(text: str, message: str) -> None:
    assert message in str(refused(text))


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"name: caf\xe9\n")
    for path, message in ((tmp_path / "gone", "not exist"), (tmp_path, "directory"), (tmp_path / "latin", "UTF-8")):
        with pytest.raises(Problem, match=f"^cannot read the manifest {path}: .*{message}"):
            load(path)


def test_bad_templates_are_found_when_loading(tmp_path: Path) -> None:
    text = step("template: {src: t.j2, dest: /x}") + QUESTION
    for content, message in (
        (
            "{{ answers.sice }}",
            "the template 't.j2' reads answers.sice, which does not exist; did you mean answers.size?",
        ),
        ("{% if %}", "the template 't.j2': "),
        ("{{ host|nosuch }}", "the template 't.j2': "),
        ("{% include 'other' %}", "a template cannot include or extend another"),
        ("{{ colour }}", "reads colour, which does not exist"),
    ):
        (tmp_path / "t.j2").write_text(content)
        assert message in str(refused(text, tmp_path))
    (tmp_path / "t.j2").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in str(refused(text, tmp_path))


def test_yaml_aliases_cannot_expand_without_limit() -> None:
    bomb = "vars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert "with its aliases expanded" in str(refused(GOOD + bomb))
    assert "characters" in str(refused(GOOD + "# " + "x" * 1_000_001))
    assert "nested too deeply" in str(refused("a: " + "[" * 5_000 + "]" * 5_000))


def test_scalars_have_the_obvious_type() -> None:
    text = "{a: yes, b: off, c: 0644, d: true, e: 12, f: 1.5, g: ~, h: 2026-01-01, i: 1:30, j: 0x1f, k: 1_000, l: -3}"
    assert read(text, "x").value == {
        "a": "yes", "b": "off", "c": "0644", "d": True, "e": 12, "f": 1.5, "g": None, "h": "2026-01-01", "i": "1:30",
        "j": 31, "k": "1_000", "l": -3,
    }  # fmt: skip


def test_two_halves_of_a_character_are_one(tmp_path):
    assert manifest(GOOD + 'vars: {a: "\\ud83d\\ude00 é"}\n', tmp_path).vars == {"a": "\U0001f600 é"}


@pytest.mark.parametrize("written", ["0644", '"0644"', "644", "0o644"])
def test_a_mode_is_read_as_octal(written: str) -> None:
    loaded = steps(f"  - {{name: a, file: {{path: /a, mode: {written}}}}}\n")
    assert str(loaded.steps[0].actions[0].params["mode"]).lstrip("0").lstrip("o") == "644"


def test_vars_use_those_above_them_and_can_be_replaced(tmp_path: Path) -> None:
    text = GOOD + 'vars: {root: /srv, conf: "{{ vars.root }}/conf", n: 3, twice: "{{ vars.n * 2 }}"}\n'
    assert manifest(text, tmp_path).vars == {"root": "/srv", "conf": "/srv/conf", "n": 3, "twice": 6}
    assert manifest(text, root="/opt").vars["conf"] == "/opt/conf"
    assert "has no variable of that name; did you mean 'root'?" in str(refused(text, rot="/x"))
    here = GOOD + 'vars: {at: "{{ manifest_dir }}/x"}\n'
    assert manifest(here, tmp_path).vars["at"] == f"{tmp_path}/x"


def test_templates_cannot_reach_into_python() -> None:
    for inner in ("''.__class__.__mro__", "vars.__class__", "cycler.__init__.__globals__"):
        problem = refused(GOOD + f'vars: {{a: 1, b: "{{{{ {inner} }}}}"}}\n')
        assert "cannot use m.yaml:5" in str(problem)


def test_a_manifest_is_recognised() -> None:
    assert looks_like_manifest(GOOD)
    assert looks_like_manifest("# about\nname: x\nsteps:\n - a\nversion : 1\n")
    assert looks_like_manifest('{"version": 1, "name": "x", "steps": [{"name": "a", "file": {"path": "/a"}}]}')
    assert looks_like_manifest("\n{steps: [], version: 1}")
    assert not looks_like_manifest('{"steps": "first, version 1"}')
    assert not looks_like_manifest("Install nginx. These are the steps: first, version 1 of it.")
    assert not looks_like_manifest("steps:\n  - version: 1\n")


def test_the_schema_is_fresh_and_accepts_the_tour(tmp_path: Path) -> None:
    assert (ROOT / "docs/reference/manifest.schema.json").read_text() == schema_text()
    tour = read(copy_tour(tmp_path).read_text(), "tour").value
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tour, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**tour, "stepps": []}, schema)


def test_the_reference_has_every_key_and_its_examples_load(tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/manifest.md").read_text()
    schema = json_schema()
    for definition in [schema, *schema["$defs"].values()]:
        for key in definition.get("properties", {}):
            assert f"`{key}`" in page, key
    blocks = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    assert blocks
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/app.conf.j2").write_text("size={{ answers.size }} {{ vars.port }} {{ host }}\n")
    for block in blocks:
        text = (
            block
            if looks_like_manifest(block)
            else f"version: 1\nname: example\nvars: {{root: /srv, port: 80}}\n{block}"
        )
        manifest(text, tmp_path)
