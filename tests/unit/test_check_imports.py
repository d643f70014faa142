"""The check of imports: which folders belong to a capability, what is machinery, and what the placeholders become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import check_imports
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """
[tool.importlinter]
root_package = "ftl2_enterprise"
include_external_packages = true

[[tool.importlinter.contracts]]
name = "down"
type = "layers"
containers = ["ftl2_enterprise"]
layers = ["wiring", "supervisor | <capability>", "core"]

[[tool.importlinter.contracts]]
name = "machinery"
type = "forbidden"
source_modules = ["<machinery>"]
forbidden_modules = ["ftl2_enterprise.adapters", "<folders>"]

[[tool.importlinter.contracts]]
name = "<capability> alone"
type = "forbidden"
source_modules = ["<folders>"]
forbidden_modules = ["<folders of others>"]

[[tool.importlinter.contracts]]
name = "views"
type = "forbidden"
source_modules = ["ftl2_enterprise.render.<capability>"]
forbidden_modules = ["ftl2_enterprise.wiring"]
"""
FILES = (
    "__init__.py",
    "adapters/__init__.py",
    "adapters/lamps.py",
    "client.py",
    "core/__init__.py",
    "core/clock.py",
    "lamps/__init__.py",
    "lamps/rows/lamps/__init__.py",
    "render/__init__.py",
    "render/lamps/__init__.py",
    "render/text.py",
    "supervisor/__init__.py",
    "supervisor/root/main.py",
    "wiring/__init__.py",
    "wiring/lamps/capability.py",
    "wiring/processes.py",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    add(tmp_path, *FILES)
    return tmp_path


def add(root: Path, *files: str) -> None:
    for file in files:
        path = root / "ftl2_enterprise" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def contract(root: Path, name: str) -> check_imports.Contract:
    (found,) = [one for one in check_imports.contracts(root) if one["name"] == name]
    return found


def short(modules: list[str]) -> list[str]:
    return [name.removeprefix("ftl2_enterprise.") for name in modules]


def test_a_capability_owns_every_folder_of_its_name(root: Path) -> None:
    tree = check_imports.SourceTree(root / "ftl2_enterprise")
    assert tree.capabilities == ("lamps",)
    assert [tree.module(path) for path in tree.folders("lamps")] == [
        "ftl2_enterprise.lamps",
        "ftl2_enterprise.render.lamps",
        "ftl2_enterprise.wiring.lamps",
    ]


def test_everything_else_is_machinery(root: Path) -> None:
    made = contract(root, "machinery")
    assert short(made["source_modules"]) == [
        "client",
        "core",
        "render.text",
        "supervisor",
        "wiring.processes",
    ]
    assert short(made["forbidden_modules"]) == ["adapters", "lamps", "render.lamps", "wiring.lamps"]


def test_capabilities_are_siblings_in_a_layer(root: Path) -> None:
    assert contract(root, "down")["layers"] == ["wiring", "supervisor | lamps", "core"]
    add(root, "wiring/notes/capability.py", "notes/__init__.py", "wiring/bare/capability.py")
    assert contract(root, "down")["layers"] == ["wiring", "supervisor | lamps | notes", "core"]


def test_a_contract_about_capabilities_is_one_for_each(root: Path) -> None:
    # The only one has no others.
    assert not [one for one in check_imports.contracts(root) if one["name"].endswith(" alone")]
    add(root, "wiring/notes/capability.py", "notes/__init__.py")
    made = contract(root, "notes alone")
    assert short(made["source_modules"]) == ["notes", "wiring.notes"]
    assert short(made["forbidden_modules"]) == ["lamps", "render.lamps", "wiring.lamps"]
    assert short(contract(root, "lamps alone")["forbidden_modules"]) == ["notes", "wiring.notes"]
    assert short(contract(root, "views")["source_modules"]) == ["render.lamps"]


def test_a_capability_adds_contracts_about_its_inside(root: Path) -> None:
    own = root / "ftl2_enterprise" / "lamps" / "import_contracts.toml"
    own.write_text('[[contracts]]\nname = "inside"\nlayers = ["handlers"]\n')
    assert contract(root, "inside")["layers"] == ["handlers"]


def test_without_capabilities_what_is_about_them_is_left_out(root: Path) -> None:
    (root / "ftl2_enterprise" / "wiring" / "lamps" / "capability.py").unlink()
    assert [one["name"] for one in check_imports.contracts(root)] == ["down", "machinery"]
    assert contract(root, "down")["layers"] == ["wiring", "supervisor", "core"]


def test_the_settings_are_in_the_form_of_import_linter(root: Path) -> None:
    made = check_imports.configuration(root)
    assert dict(made["importlinter"]) == {"root_package": "ftl2_enterprise", "include_external_packages": "True"}
    assert made["importlinter:contract:0"]["layers"].split() == ["wiring", "supervisor", "|", "lamps", "core"]


def test_no_contract_of_the_project_names_a_capability() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    section = text[text.index("[tool.importlinter]") :]
    for name in check_imports.SourceTree(REPOSITORY / "ftl2_enterprise").capabilities:
        assert f'"{name}' not in section
        assert f".{name}" not in section
