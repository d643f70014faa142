"""Labels of loops, as commands, manifests and requests give them."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.adapters.deciders.manifest.load import load_text
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.labels import parse_labels
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.verbs import SubmitLoop

MANIFEST = """version: 1
name: site
labels: {labels}
steps:
  - {{name: one, file: {{path: /nowhere, state: absent}}}}
"""


def test_labels_are_read_from_texts() -> None:
    given = ["tier=web", "example.com/owner=Ann & Bob = us", "tier=web"]
    assert parse_labels(given) == {"tier": "web", "example.com/owner": "Ann & Bob = us"}
    assert parse_labels([]) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["tier"], "cannot take the label 'tier': it has no value"),
        (["tier="], "cannot take the value '' for the label tier"),
        (["tier= web"], "cannot take the value ' web' for the label tier"),
        (["tier=a\nb"], "cannot take the value 'a\\nb' for the label tier"),
        (["tier=" + "x" * 201], "cannot take the value 'xxxx"),
        (["=web"], "cannot take the label ''"),
        (["a b=web"], "cannot take the label 'a b'"),
        (["-a=web"], "cannot take the label '-a'"),
        (["a" * 64 + "=web"], "cannot take the label 'aaaa"),
        (["tier=web", "tier=data"], "cannot take two values for the label 'tier'"),
        ([f"k{n}=v" for n in range(65)], "cannot take 65 labels"),
    ],
)
def test_other_texts_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_labels(given)
    assert caught.value.message.startswith(message)
    assert (caught.value.code, bool(caught.value.hint)) == (Code.INVALID, True)


def test_a_request_with_other_labels_is_refused() -> None:
    spec = LoopSpec(name="web", desired_state="as it should be", labels={"a b": "c"})
    with pytest.raises(Problem, match="cannot take the label 'a b'"):
        SubmitLoop(spec=spec)


def test_a_stored_loop_without_labels_is_read() -> None:
    stored = msgspec.to_builtins(LoopSpec(name="web", desired_state="as it should be"))
    del stored["labels"]
    assert msgspec.convert(stored, LoopSpec).labels == {}


def test_a_manifest_has_labels(tmp_path) -> None:
    text = MANIFEST.format(labels="{tier: web, stage: '1'}")
    assert load_text(text, source="site.yaml", directory=tmp_path).labels == {"tier": "web", "stage": "1"}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("{a b: c}", "labels has the label 'a b'"),
        ("{tier: ''}", "labels has the value '' for the label tier"),
        ("{tier: 3}", "labels"),
        ("[tier]", "labels"),
    ],
)
def test_other_labels_of_a_manifest_are_refused_with_their_line(tmp_path, labels: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        load_text(MANIFEST.format(labels=labels), source="site.yaml", directory=tmp_path)
    assert caught.value.message.startswith("cannot ")
    assert words in caught.value.message
    assert "site.yaml:3" in caught.value.message
