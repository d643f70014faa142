"""A manifest with a secret in its variables is refused with file, line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftl2_enterprise.adapters.deciders.manifest.literal_secrets import find
from ftl2_enterprise.core.problem import Problem
from tests.support.loops.manifests import manifest

STEPS = "steps:\n  - {name: a, file: {path: /a, state: directory}}\n"

SECRETS = [
    ("db_password", "hunter2", "name"),
    ("password", 12345, "name"),
    ("api_key", "x", "name"),
    ("databases", [{"name": "web", "password": "hunter2"}], "name"),
    ("credentials", {"user": "web", "key": "hunter2"}, "name"),
    ("tls", "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n", "a private key"),
    ("aws", "AKIAIOSFODNN7EXAMPLE", "an access key of AWS"),
    ("ci", "ghp_" + "a1B2" * 9, "a token of GitHub"),
    ("ci", "glpat-" + "a1B2" * 5, "a token of GitLab"),
    ("chat", "xoxb-123456789012-abcdef", "a token of Slack"),
    ("llm", "sk-" + "a1B2" * 8, "a key of an API"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "a JSON web token"),
    ("database", "postgres://web:hunter2@db/web", "a password in a URL"),
    ("value", "kT9vQ2xLp0ZrM4sWbE7y", "random"),
]
HARMLESS = [
    ("port", 8080),
    ("password_file", "/etc/web/password"),
    ("token_count", 3),
    ("db_password", "{{ vars.other }}"),
    ("db_password", ""),
    ("use_password", False),
    ("checksum", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm1Vn0lZrT8Qz3a web@example"),
    ("public", "AAAAC3NzaC1lZDI1NTE5AAAAIJm1Vn0lZrT8Qz3aB9cD"),
    ("path", "/srv/Web2/Releases/2024-Build-7F"),
    ("id", "123e4567-e89b-12d3-a456-426614174000"),
    ("image", "registry.example.com/team/App2:v1.2.3"),
    ("url", "https://example.com/a?b=c"),
    ("sentence", "The Web Server 2 listens on all interfaces"),
]


@pytest.mark.parametrize(("name", "value", "why"), SECRETS)
def test_a_secret_is_recognised(name: str, value: object, why: str) -> None:
    assert why in (find(name, value) or "")


@pytest.mark.parametrize(("name", "value"), HARMLESS)
def test_other_values_are_accepted(name: str, value: object) -> None:
    assert find(name, value) is None


def test_a_manifest_with_a_secret_is_refused_with_its_line_and_a_remedy() -> None:
    text = f"version: 1\nname: a\nvars:\n  port: 80\n  db_password: hunter2\n{STEPS}"
    with pytest.raises(Problem) as caught:
        manifest(text, Path("/nowhere"))
    assert caught.value.message == (
        "cannot use m.yaml:5: the variable 'db_password' has the name of a secret, and a manifest is stored and shown"
    )
    assert "--secret MODULE.PARAM=credential:NAME" in (caught.value.hint or "")
    assert "allow_literal: [db_password]" in (caught.value.hint or "")
    assert "hunter2" not in str(caught.value)


def test_a_variable_that_is_listed_is_accepted() -> None:
    manifest(f"version: 1\nname: a\nallow_literal: [password]\nvars: {{password: none}}\n{STEPS}", Path("/nowhere"))


def test_a_list_that_names_no_variable_is_refused() -> None:
    with pytest.raises(Problem, match="allow_literal names 'pasword'") as caught:
        manifest(f"version: 1\nname: a\nallow_literal: [pasword]\nvars: {{password: x}}\n{STEPS}", Path("/nowhere"))
    assert caught.value.hint == "did you mean 'password'?"
