"""The name of a loop that was submitted without one."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.protocol.loops.naming import check_name, name_for


def manifest(name: str) -> str:
    return f"version: 1\nname: {name}\nsteps:\n  - name: directory\n    file: {{path: /x}}\n"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("web", "web"),
        ("web_front.2", "web_front.2"),
        ("数据库", "数据库"),
        ('"web"  # the front', "web"),
        ("'web'", "web"),
        ("web # the front", "web"),
        ("Web servers, all of them", "web-servers-all-of-them"),
        ("42", "loop-42"),
        ("-", "version-1-name-steps"),
        (">", "version-1-name-steps"),
        ('"open', "version-1-name-open-steps"),
    ],
)
@pytest.mark.parametrize("source", [None, "/home/ada/-"])
def test_a_manifest_that_is_in_no_file_names_its_loop(name, called, source):
    assert name_for(manifest(name), source, dry_run=False) == called
    assert name_for(manifest(name), source, dry_run=True) == f"{called}-dry-run"


@pytest.mark.parametrize(
    ("text", "source", "called"),
    [
        ("nginx runs on every web host, and more", None, "nginx-runs-on-every-web-host"),
        ("nginx runs\nname: web\n", "/etc/front end.txt", "front-end"),
        ("nginx runs on every web host", "/home/ada/-", "nginx-runs-on-every-web-host"),
        (manifest("web"), "/home/ada/-", "web"),
        (manifest("web").replace("\n", "\r\n"), None, "web"),
        (manifest("web"), "/etc/site.yaml", "site"),
        ("steps:\n  - name: inner\nversion: 1\n", None, "steps-name-inner-version-1"),
        ("???", None, "loop"),
    ],
)
def test_otherwise_the_file_or_the_first_words_name_the_loop(text, source, called):
    assert name_for(text, source, dry_run=False) == called


@given(st.text(max_size=200), st.booleans())
def test_any_text_gives_a_valid_name(name, dry_run):
    check_name(name_for(manifest(name), None, dry_run=dry_run))
