"""Submitting a desired state under the name of a loop that exists."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.ctl.session import CtlSession
from ftl2_enterprise.protocol.loops.nouns import LoopState, Revision
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import GetRevision, PreviewUpdate, ShowLoop, SubmitLoop, UpdateLoop
from ftl2_enterprise.protocol.service.verbs import GetSettings
from tests.support.data import builders


class Person:
    """Answers each question, and remembers it."""

    def __init__(self, *, agrees: bool) -> None:
        self.agrees = agrees
        self.asked: list[str] = []

    def confirms(self, question: str) -> bool:
        self.asked.append(question)
        return self.agrees


@pytest.fixture
def loop(service):
    """A loop `web`, which a submit finds."""
    found = builders.loop("web", state=LoopState.RESTING)
    found = msgspec.structs.replace(
        found, spec=msgspec.structs.replace(found.spec, desired_state="nginx answers", source=None)
    )

    def refuse(_):
        raise conflict('cannot submit the loop "web": a loop with that name exists', "choose another name")

    service.on(GetSettings, [])
    service.on(SubmitLoop, refuse)
    service.on(ShowLoop, LoopDetail(loop=found, process=None, open_prompts=[], last=None))
    service.on(PreviewUpdate, lambda request: request.spec)
    service.on(
        GetRevision,
        lambda request: Revision(
            id=1, loop_id=1, n=request.n, created_at=1, created_by=None, reason=None, restores=None, spec=found.spec
        ),
    )
    return found


def put(monkeypatch, *, agrees):
    person = Person(agrees=agrees)
    monkeypatch.setattr(CtlSession, "asker", person)
    return person


def test_a_person_at_a_terminal_is_shown_the_difference_and_can_update_the_loop(service, ctl, loop, monkeypatch):
    person = put(monkeypatch, agrees=True)
    service.on(
        UpdateLoop, lambda request: msgspec.structs.replace(loop, spec=request.spec, revision=2, taken_revision=2)
    )
    status, out, _ = ctl("submit", "nginx answers on 8080", "--name", "web")
    assert status == 0
    assert "-nginx answers\n+nginx answers on 8080\n" in out
    assert out.endswith("web: revision 2 (was 1), runs now\n")
    assert person.asked == ["a loop web exists; update it (options that are not given stay)?"]
    asked = service.asked_for(UpdateLoop)[0]
    assert (asked.based_on, asked.spec.desired_state) == (1, "nginx answers on 8080")
    assert asked.spec.interval == loop.spec.interval


def test_a_name_that_follows_from_the_file_is_asked_about_too(service, ctl, loop, monkeypatch, tmp_path):
    person = put(monkeypatch, agrees=True)
    (tmp_path / "web.yaml").write_text("nginx answers on 8080\n")
    service.on(UpdateLoop, lambda request: msgspec.structs.replace(loop, spec=request.spec, revision=2))
    assert ctl("submit", "-f", str(tmp_path / "web.yaml"))[0] == 0
    assert person.asked == ["a loop web exists; update it (options that are not given stay)?"]
    assert service.asked_for(UpdateLoop)[0].spec.desired_state == "nginx answers on 8080\n"


def test_without_a_yes_nothing_is_changed(service, ctl, loop, monkeypatch):
    del loop
    put(monkeypatch, agrees=False)
    status, out, _ = ctl("submit", "nginx answers on 8080", "--name", "web")
    assert (status, out.splitlines()[-1]) == (1, "nothing was changed")
    assert not service.asked_for(UpdateLoop)


@pytest.mark.parametrize(
    ("words", "terminal"),
    [
        (["nginx answers on 8080"], False),
        (["nginx answers on 8080", "--json"], True),
        (["nginx answers on 8080", "--paused"], True),
        (["nginx answers"], True),
    ],
)
@pytest.mark.usefixtures("loop")
def test_otherwise_it_is_refused(service, ctl, monkeypatch, words, terminal):
    person = put(monkeypatch, agrees=True) if terminal else None
    status, out, err = ctl("submit", *words, "--name", "web")
    assert status != 0
    assert "a loop with that name exists" in out + err
    assert person is None or not person.asked
    assert not service.asked_for(UpdateLoop)


def test_a_loop_that_cannot_be_updated_is_refused_with_the_remedy_of_the_submit(service, ctl, loop, monkeypatch):
    del loop
    person = put(monkeypatch, agrees=True)

    def refuse(_):
        raise conflict("cannot update web: it has ended (completed)", "submit a new one")

    service.on(PreviewUpdate, refuse)
    status, out, err = ctl("submit", "nginx answers on 8080", "--name", "web")
    assert (status != 0, person.asked) == (True, [])
    assert "choose another name" in out + err
