from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ftl2_enterprise.adapters.hosts.inventory.files import load
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.core.problem import Code, Problem

YAML = """
all:
  vars: {level: all}
  children:
    site:
      vars: {ansible_user: deploy}
      children:
        web:
          hosts:
            web[01:03]: {ansible_port: 2200}
            web02: {ansible_host: 10.0.0.2}
        db:
          hosts: [db-a, db-b]
  hosts:
    lonely:
"""

INI = """
# a comment
lonely ansible_host=10.0.0.7

[web]
web[01:03] ansible_port=2200
web02 ansible_host=10.0.0.2 note="two words"   # a comment

[db]
db-[a:b]

[site:children]
web
db

[site:vars]
ansible_user = deploy

[all:vars]
level=all
"""

LISTED = {
    "_meta": {"hostvars": {"web02": {"ansible_host": "10.0.0.2", "ansible_port": 2200}, "lonely": {}}},
    "all": {"children": ["site"], "vars": {"level": "all"}},
    "site": {"children": ["web", "db"], "vars": {"ansible_user": "deploy"}},
    "web": {"hosts": ["web01", "web02", "web03"], "vars": {"ansible_port": 2200}},
    "db": ["db-a", "db-b"],
}


def script(path: Path, data: dict[str, object]) -> Path:
    path.write_text(f"#!/bin/sh\n[ \"$1\" = --list ] && cat <<'END'\n{json.dumps(data)}\nEND\n")
    path.chmod(0o755)
    return path


def written(folder: Path, kind: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / {"yaml": "hosts.yml", "ini": "hosts", "json": "hosts.json", "program": "hosts.sh"}[kind]
    if kind == "program":
        return script(path, LISTED)
    path.write_text({"yaml": YAML, "ini": INI, "json": json.dumps(LISTED)}[kind])
    return path


@pytest.mark.parametrize("kind", ["yaml", "ini", "json", "program"])
def test_every_format_yields_the_same_inventory(tmp_path: Path, kind: str) -> None:
    inventory = load(written(tmp_path, kind))
    assert inventory.expand("site") == ["web01", "web02", "web03", "db-a", "db-b"]
    assert set(inventory.expand("all")) == {"web01", "web02", "web03", "db-a", "db-b", "lonely"}
    web02 = inventory.entry("web02")
    assert web02 is not None
    assert (web02.ansible_host, web02.ansible_port, web02.ansible_user) == ("10.0.0.2", 2200, "deploy")
    assert web02.vars["level"] == "all"
    assert set(web02.groups) == {"site", "web"}


def test_a_program_without_meta_is_asked_for_every_host(tmp_path: Path) -> None:
    path = tmp_path / "hosts.sh"
    path.write_text(
        '#!/bin/sh\nif [ "$1" = --host ]; then echo "{\\"ansible_host\\": \\"ip-of-$2\\"}";'
        ' else echo \'{"web": {"hosts": ["a", "b"]}}\'; fi\n'
    )
    path.chmod(0o755)
    assert [entry.ansible_host for entry in load(path).hosts()] == ["ip-of-a", "ip-of-b"]


def test_a_program_is_found_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "hosts.sh", LISTED)
    monkeypatch.chdir(tmp_path)
    assert len(load("./hosts.sh").hosts()) == 6
    assert len(load("hosts.sh").hosts()) == 6


def test_group_vars_and_host_vars_override_the_inventory_file(tmp_path: Path) -> None:
    path = written(tmp_path, "yaml")
    (tmp_path / "group_vars" / "web").mkdir(parents=True)
    (tmp_path / "group_vars" / "web" / "10.yml").write_text("ansible_user: www\ncolour: red\n")
    (tmp_path / "group_vars" / "web" / "20.yml").write_text("colour: blue\n")
    (tmp_path / "group_vars" / "web" / "README.txt").write_text("colour: not read\n")
    (tmp_path / "group_vars" / "all.yml").write_text("level: adjacent\n")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "web02.yml").write_text("ansible_host: 10.9.9.9\n")
    web02 = load(path).entry("web02")
    assert web02 is not None
    assert (web02.ansible_user, web02.vars["colour"], web02.vars["level"]) == ("www", "blue", "adjacent")
    assert web02.ansible_host == "10.9.9.9"


def test_without_an_inventory_the_only_host_is_this_machine() -> None:
    inventory = load(None)
    assert inventory.expand("all") == ["localhost"]
    assert inventory.hosts() == []


@pytest.mark.parametrize("path", ["nowhere.yml", "h1,"])
def test_a_missing_inventory_is_never_taken_for_this_machine(tmp_path: Path, path: str) -> None:
    with pytest.raises(Problem) as caught:
        load(tmp_path / path)
    assert caught.value.code is Code.NOT_FOUND
    assert caught.value.message.startswith("cannot read the inventory ")


@pytest.mark.parametrize(
    ("name", "content", "place", "what"),
    [
        ("a.yml", "all:\n  hosts:\n    - [x]\n", ":2", "list of names"),
        ("b.yml", "all:\n  host:\n    x:\n", ":2", "host"),
        ("c.yml", "- all\n", ":1", "mapping"),
        ("d.yml", "all:\n  hosts: {a: 3}\n", ":2", "the host a"),
        ("e.yml", "all:\n  hosts: {a: [}\n", ":2", ""),
        ("f.yml", "a:\n  children:\n    b:\n      vars: 7\n", ":4", "vars of b"),
        ("g.yml", "a:\n  hosts:\n    w[3:1]:\n", ":3", "range"),
        ("q.yml", "a:\n  hosts:\n    w[1:x]:\n", ":3", "w[1:x] is not a range of hosts; write it like web[01:03]"),
        ("r.yml", "a:\n  hosts:\n    w[1:2]x]:\n", ":3", "range"),
        ("s.ini", "[web]\nw[a:3].example\n", ":2", "range"),
        ("h.json", '{"a":\n {"hosts": ["x"],}}', ":2", "JSON"),
        ("i.json", "[]", "", "mapping"),
        ("j.ini", "[web]\nx\n[web:kids]\n", ":3", "unknown"),
        ("k.ini", "[web\nx\n", ":1", "]"),
        ("l.ini", "[web]\nx port\n", ":2", "NAME=VALUE"),
        ("m.ini", "[a:children]\nghost\n", ":2", "ghost"),
        ("n.ini", "[ghost:vars]\nx=1\n", ":1", "ghost"),
        ("o.ini", '[web]\nx note="open\n', ":2", "quotation"),
        ("p.ini", "[a:children]\nb\n[b:children]\na\n", "", "contains itself"),
    ],
)
def test_a_malformed_inventory_is_refused_with_its_line(
    tmp_path: Path, name: str, content: str, place: str, what: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(Problem) as caught:
        load(path)
    assert caught.value.message.startswith(f"cannot read the inventory {path}{place}: ")
    assert what in caught.value.message


def test_a_failing_inventory_program_reports_its_error(tmp_path: Path) -> None:
    path = tmp_path / "hosts.sh"
    path.write_text("#!/bin/sh\necho no credentials >&2\nexit 3\n")
    path.chmod(0o755)
    with pytest.raises(Problem, match="status 3: no credentials"):
        load(path)


def test_the_group_of_a_program_is_killed_while_its_id_cannot_be_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []

    def killpg(group: int, number: int) -> None:
        assert Path(f"/proc/{group}").exists(), "the program has been reaped"
        groups.append(group)

    monkeypatch.setattr(os, "killpg", killpg)
    load(script(tmp_path / "hosts.sh", LISTED))
    assert len(groups) == 1


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "ini")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    with pytest.raises(Problem, match="ansible-vault"):
        load(path)


def test_a_text_with_the_executable_bit_is_still_a_text(tmp_path: Path) -> None:
    path = written(tmp_path, "ini")
    path.chmod(0o755)
    assert isinstance(load(path), Inventory)


def test_an_address_in_brackets_is_no_range(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("all:\n  hosts:\n    '[fe80::1]':\n    'fe80::2':\n")
    assert [entry.name for entry in load(path).hosts()] == ["[fe80::1]", "fe80::2"]
