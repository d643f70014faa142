"""What templates can do, what they cannot reach, and how much they may need."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import Environment

from ftl2_enterprise.adapters.templates.meter import MAX_SECONDS, metered
from ftl2_enterprise.adapters.templates.parameters import render
from ftl2_enterprise.adapters.templates.sandbox import CannotRender
from tests.support.hostile_templates import ESCAPES, aimed

if TYPE_CHECKING:
    from pathlib import Path

SCOPE: dict[str, Any] = {
    "vars": {
        "name": "web",
        "ports": [80, 443],
        "hosts": [{"name": "a", "ip": "10.0.0.1"}, {"name": "b", "ip": "::"}],
    },
    "large": "x" * 16_000_000,
}


def rendered(text: str, directory: Path | None = None) -> str:
    return render(text, SCOPE, name="the template", directory=str(directory) if directory else None, options={})


def refused(text: str, directory: Path | None = None) -> str:
    with pytest.raises(CannotRender) as caught:
        rendered(text, directory)
    message = str(caught.value)
    assert message.startswith("cannot render the template: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_template_cannot_run_code(escape: str, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    refused(aimed(escape, witness))
    assert not witness.exists()


def test_without_the_sandbox_the_same_templates_run_code(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    Environment().from_string(aimed(ESCAPES[0], witness)).render()
    assert witness.exists()


USES = {
    "{{ vars.name|upper }}:{{ vars.ports|join(',') }}": "WEB:80,443",
    "{% for h in vars.hosts %}{{ loop.index }}{{ h.name }}{{ loop.cycle('+', '-') }}{% endfor %}": "1a+2b-",
    "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) ~ m(2) }}": "<1><2>",
    "{% set n = namespace(x=0) %}{% for i in range(5) %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}": "10",
    "{{ '%s-%05d'|format(vars.name, 3) }} {{ '{}{:>5}'.format(1, 2) }} {{ '%d%%' % 5 }}": "web-00003 1    2 5%",
    "{{ vars.hosts|map(attribute='ip')|join(' ') }}": "10.0.0.1 ::",
    "{{ [[1], [2]]|sum(start=[]) }}{{ [1, 2]|sum }}": "[1, 2]3",
    "{{ vars.hosts|sum(attribute='x', start=[])|length if false else 'no' }}": "no",
    "{{ vars.hosts|selectattr('name', '==', 'b')|map(attribute='ip')|first }}": "::",
    "{% for k, v in {'a': (1, 2)}.items() %}{{ k }}{{ v[1] }}{% endfor %}": "a2",
    "{{ 'a b'.split(' ')[1:] }}{{ 'x' * 3 }}{{ [0] * 2 }}{{ 2 ** 10 }}": "['b']xxx[0, 0]1024",
    "{{ vars.hosts|tojson(indent=2)|length > 10 }}{{ {'a': 1}|tojson }}": 'True{"a": 1}',
    "{{ 'a\nb'|indent(2) }}{{ 'a b'|quote }}{{ 'x'|center(3) }}": "a\n  b'a b' x ",
    "{{ vars.nothing|default('none') }}{{ vars.hosts|groupby('name')|length }}": "none2",
    "{% set x %}a{{ 1 }}{% endset %}{{ x }}{{ x is defined }}": "a1True",
    "{{ large|length }}{{ large|default('') == large }}": "16000000True",
    "{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}": "[1]",
    "{% for x in [1, [2]] recursive %}{{ loop(x) if x is not number else x }}{% endfor %}": "12",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), USES.items())
def test_ordinary_templates_work(text: str, expected: str) -> None:
    assert rendered(text) == expected


DOUBLED = "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}"
NESTED = "{% set a = ['x'] %}" + "{% set a = [a, a, a, a, a, a, a, a] %}" * 20 + "{{ a }}"
SPACES = "{% set n = namespace() %}" + "{% set n = namespace(a=n, b=n) %}" * 40 + "{{ n }}"
EXCESSES = [
    "{{ 'x' * 10**10 }}",
    "{{ [1] * 10**10 }}",
    "{{ 2 ** (2 ** 30) }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(999) %}0123456789{% endfor %}{% endfor %}",
    "{{ range(10**9)|list }}",
    "{{ 'x'|center(10**10) }}",
    "{{ 'x'.ljust(10**10) }}{{ 'x'.zfill(10**10) }}",
    "{{ '\t'.expandtabs(10**10) }}",
    "{{ '%99999999999d' % 1 }}",
    "{{ '%*d' % (10**10, 1) }}",
    "{{ '%99999999999d'|format(1) }}",
    "{{ '{:>99999999999}'.format(1) }}",
    "{{ '{:>{w}}'.format(1, w=10**10) }}",
    "{{ ('{0}' * 1000).format(large) }}",
    "{{ ('%(x)s' * 1000) % {'x': large} }}",
    DOUBLED,
    NESTED,
    SPACES,
    "{% set n = namespace() %}{% set n.x = n %}{{ n }}",
    "{{ large|replace('x', 'y' * 1000) }}",
    "{{ large|replace('', 'y') }}{{ large.replace('', 'yyy') }}",
    "{{ 'yyyy'.join(large) }}{{ large|join('yyyy') }}",
    "{{ range(99999)|map('center', 99999)|list }}",
    "{{ range(99999)|map(attribute='nothing', default=large)|join }}",
    "{{ ('\n' * 9999999)|indent(1000)|length }}",
    "{{ [1]|batch(10**10, 'x')|list }}",
    "{{ [1]|slice(10**10)|list }}",
    "{{ 1.5|round(10**9, 'ceil') }}",
    "{{ large|wordwrap(1) }}",
    "{{ ('<!---->' * 99999)|striptags }}",
    "{{ large.rfind('y' + 'x' * 8000000) }}",
    "{{ large.strip('y' * 1000) }}",
    "{{ (1).to_bytes(10**10, 'big') }}",
    "{{ large ~ large ~ large }}",
    "{{ large }}{{ large }}{{ large }}",
    "{% set x %}{{ large }}{{ large }}{{ large }}{% endset %}",
    "{{ (['x' * 999999] * 40)|tojson }}",
    "{{ ([[1]] * 99999)|pprint }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
    "{{ [-999999999]|map('step!')|list }}{{ 'x' * 10**10 }}",
    "{{ lipsum(10**9) }}",
]  # fmt: skip


@pytest.mark.parametrize("text", EXCESSES)
def test_an_excessive_template_ends_soon_with_one_sentence(text: str) -> None:
    began = time.thread_time()
    refused(text)
    assert time.thread_time() - began < MAX_SECONDS


def test_what_produces_nothing_ends_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftl2_enterprise.adapters.templates.meter.MAX_SECONDS", 0.05)
    text = "{% for i in range(99999) %}{% for j in range(99999) if false %}{% endfor %}{% endfor %}"
    assert "takes longer than 0.05 s" in refused(text)


def test_renderings_within_one_share_its_limits() -> None:
    half = "{{ large }}"
    with metered():
        rendered(half)
        rendered(half)
        refused(half)
    rendered(half)


def test_a_template_includes_files_of_its_directory_only(tmp_path: Path) -> None:
    own, secret = tmp_path / "own", tmp_path / "secret"
    (own / "parts").mkdir(parents=True)
    (own / "parts" / "a").write_text("[{{ vars.name }}]")
    secret.write_text("secret")
    (own / "link").symlink_to(secret)
    assert rendered("{% include 'parts/a' %}", own) == "[web]"
    for name in ("link", "../secret", "parts/../../secret", str(secret), "parts", "none", "a\\0b"):
        assert name.replace("\\0", "\0") in refused("{% include '" + name + "' %}", own)
    assert "given as content" in refused("{% include 'parts/a' %}")


def test_an_included_file_that_never_ends_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_text("x" * (5 << 20))
    (tmp_path / "again").write_text("{% include 'again' %}{% include 'again' %}")
    assert "pipe" in refused("{% include 'pipe' %}", tmp_path)
    assert "larger than 4 MiB" in refused("{% include 'large' %}", tmp_path)
    refused("{% include 'again' %}", tmp_path)
