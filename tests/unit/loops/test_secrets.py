"""Secret bindings: read early, injected late, printed never."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.loops import secrets
from ftl2_enterprise.loops.secrets import Secret, parse_bindings

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"DEPLOY": "hunter2000", "OTHER": "swordfish", "EMPTY": ""}


def test_a_bound_parameter_is_added() -> None:
    bindings = parse_bindings(["uri.url_password=DEPLOY"], ENVIRON)
    given = {"url": "u"}
    assert bindings.inject("uri", given) == {"url": "u", "url_password": "hunter2000"}
    assert bindings.inject("ansible.builtin.uri", given)["url_password"] == "hunter2000"
    assert bindings.inject("get_url", given) == {"url": "u"}
    assert given == {"url": "u"}
    assert bindings.values() == ["hunter2000"]


@pytest.mark.parametrize(
    ("binding", "module", "bound"),
    [
        ("ansible.builtin.uri.p=DEPLOY", "uri", True),
        ("ansible.builtin.uri.p=DEPLOY", "ansible.legacy.uri", True),
        ("*.p=DEPLOY", "community.general.slack", True),
        ("community.general.*.p=DEPLOY", "community.general.slack", True),
        ("community.general.slack.p=DEPLOY", "slack", False),
        ("slack.p=DEPLOY", "community.general.slack", False),
        ("URI.p=DEPLOY", "uri", False),
    ],
)
def test_which_modules_a_binding_is_for(binding: str, module: str, bound: bool) -> None:
    assert ("p" in parse_bindings([binding], ENVIRON).inject(module, {})) is bound


def test_an_explicit_parameter_wins_unless_it_is_a_mask() -> None:
    bindings = parse_bindings(["uri.p=DEPLOY"], ENVIRON)
    assert bindings.inject("uri", {"p": "mine"}) == {"p": "mine"}
    assert bindings.inject("uri", {"p": None}) == {"p": None}
    assert bindings.inject("uri", {"p": MASK}) == {"p": "hunter2000"}


def test_the_first_binding_wins() -> None:
    bindings = parse_bindings(["uri.p=DEPLOY", "*.p=OTHER"], ENVIRON)
    assert bindings.inject("uri", {}) == {"p": "hunter2000"}
    assert bindings.inject("copy", {}) == {"p": "swordfish"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("uri.p=NOT_THERE", "the environment variable NOT_THERE is not set"),
        ("uri.p=EMPTY", "the environment variable EMPTY is empty"),
        ("uri.p", "cannot read the secret binding"),
        ("uri-x=DEPLOY", "cannot read the secret binding uri-x=..."),
        (".p=DEPLOY", "cannot read the secret binding .p=..."),
        ("uri.=DEPLOY", "cannot read the secret binding uri.=..."),
        ("=", "cannot read the secret binding"),
        ("", "cannot read the secret binding"),
    ],
)
def test_a_wrong_binding_is_refused_before_anything_runs(text: str, part: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_bindings([text], ENVIRON)
    assert part in str(caught.value)
    assert str(caught.value).startswith("cannot ")
    assert caught.value.hint


def test_a_value_given_in_place_of_a_variable_is_not_repeated() -> None:
    with pytest.raises(Problem) as caught:
        parse_bindings(["uri.p=s3cr3t-value!"], ENVIRON)
    assert "s3cr3t" not in str(caught.value)


def test_two_bindings_of_one_parameter_contradict() -> None:
    with pytest.raises(Problem, match="twice"):
        parse_bindings(["uri.p=DEPLOY", "uri.p=OTHER"], ENVIRON)
    assert len(parse_bindings(["uri.p=DEPLOY", "uri.p=DEPLOY"], ENVIRON).all) == 1


def test_a_secret_never_prints() -> None:
    bindings = parse_bindings(["uri.p=DEPLOY"], ENVIRON)
    secret = Secret("hunter2000")
    shown = f"{secret} {secret!r} {secret!s} {secret:>9} {[secret]} {bindings} {bindings!r} {bindings.all[0]}"
    assert "hunter2000" not in shown
    for take_away in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            take_away(secret)


def test_a_credential_of_the_service_is_redacted_like_other_secrets(tmp_path: Path) -> None:
    (tmp_path / "deploy.token").write_text("hunter2000\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "OTHER": "swordfish"}
    bindings = parse_bindings(["uri.url_password=credential:deploy.token", "uri.user=OTHER"], environ)
    assert bindings.inject("uri", {}) == {"url_password": "hunter2000", "user": "swordfish"}
    assert "hunter2000" not in repr(bindings)
    assert bindings.values() == ["hunter2000", "swordfish"]
    assert [binding.variable for binding in bindings.all] == [None, "OTHER"]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("absent", None, "the credential absent does not exist"),
        ("empty", b"\n", "the credential empty is empty"),
        ("binary", b"\xff\xfe-secret", "the credential binary is not UTF-8 text"),
        ("long", b"x" * (1024 * 1024 + 1), "the credential long is too long"),
        ("../etc/passwd", None, "no name of a credential follows"),
        ("", None, "no name of a credential follows"),
    ],
)
def test_a_credential_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: bytes | None, part: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Problem, match=part) as caught:
        parse_bindings([f"uri.p=credential:{name}"], {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert caught.value.hint
    assert "secret" not in str(caught.value).removeprefix("cannot read the secret binding")
    assert caught.value.__cause__ is None or "secret" not in str(caught.value.__cause__)


def test_outside_the_service_there_are_no_credentials() -> None:
    with pytest.raises(Problem, match="only the service receives credentials"):
        parse_bindings(["uri.p=credential:x"], {})
    with pytest.raises(Problem, match=r"/etc/credstore/ftl2\.x"):
        parse_bindings(["uri.p=credential:ftl2.x"], {}, in_service=True)


def test_what_a_loop_runs_does_not_get_the_credentials_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "_kept", [])
    (tmp_path / "token").write_text("hunter2000")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "NOTIFY_SOCKET": "/run/x", "PATH": "/bin", "HOME": "/root"}
    secrets.hide_unit(environ)
    secrets.hide_unit(environ)
    assert environ == {"PATH": "/bin", "HOME": "/root"}
    assert parse_bindings(["uri.p=credential:token"], environ).values() == ["hunter2000"]


def test_hints_name_the_source_of_the_secrets_of_the_service() -> None:
    def refused(binding: str, *, in_service: bool) -> Problem:
        with pytest.raises(Problem) as caught:
            parse_bindings([binding], {}, in_service=in_service)
        return caught.value

    of_a_run = refused("uri.p=TOKEN", in_service=False)
    assert of_a_run.hint == "set TOKEN before the run, or leave the binding out"
    of_the_service = refused("uri.p=TOKEN", in_service=True)
    assert of_the_service.message.endswith("TOKEN is not set in the service")
    assert "/etc/credstore/ftl2.NAME" in (of_the_service.hint or "")
    assert "environment of the service" in (of_the_service.hint or "")
    assert "ftl2ctl submit" in (refused("uri.p=credential:x", in_service=False).hint or "")
    assert "LoadCredential=x:FILE" in (refused("uri.p=credential:x", in_service=True).hint or "")
