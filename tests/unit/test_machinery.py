"""The machinery names no capability: not in its identifiers, not in what it imports, and not in its messages."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from pathlib import Path

import pytest

import ftl2_enterprise
from ftl2_enterprise.wiring.capabilities import NAMES
from tests.support.places import REPOSITORY

PACKAGE = Path(ftl2_enterprise.__path__[0])
CAPABILITIES = {"loop", "loops", "task", "tasks", "knowledge", *NAMES, *(name.removesuffix("s") for name in NAMES)}
"""Those that exist, and those that are to come."""
ASYNC = {
    "AbstractEventLoop",
    "EventLoop",
    "Task",
    "_loop",
    "_task",
    "_tasks",
    "create_task",
    "event_loop",
    "get_running_loop",
    "loop",
    "task",
    "tasks",
}
"""Identifiers that mean an event loop and its tasks, in files that use one."""
HAS_EVENT_LOOP = re.compile(r"\b(asyncio|event[_ ]loop)\b")
SHARED = ("core", "store", "supervisor")
"""Folders of which every file is machinery; of these the own modules and the package `service` are."""
PARTLY = ("commandline", "protocol", "render")
TEXTS = {"/loops.db", "/proc/self/task", "/task", "/task/"}
"""The name that the database has always had, and files of the kernel."""
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def machinery() -> list[Path]:
    found = [PACKAGE / "client.py"]
    for name in SHARED:
        found += (PACKAGE / name).rglob("*.py")
    for name in PARTLY:
        found += (PACKAGE / name).glob("*.py")
        found += (PACKAGE / name / "service").rglob("*.py")
    # Migrations are the history of the database, which began with the tables of loops.
    return sorted(path for path in found if "migrations" not in path.parts)


def words(identifier: str) -> set[str]:
    return {word.lower() for word in WORD.findall(identifier)}


def identifiers(text: str) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def texts(text: str) -> set[str]:
    """The string constants that are no docstrings."""
    tree = ast.parse(text)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone]
    return {node.value for node in constants if isinstance(node.value, str)}


def imports(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{name.name}" for name in names)}
            case ast.Constant(value=str(value)) if value.startswith("ftl2_enterprise."):
                found.add(value)
            case _:
                pass
    return {name for name in found if name.startswith("ftl2_enterprise")}


@pytest.mark.parametrize("path", machinery(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_of_the_machinery_names_no_capability(path: Path) -> None:
    text = path.read_text()
    allowed = ASYNC if HAS_EVENT_LOOP.search(text) else set[str]()
    named = {name for name in identifiers(text) - allowed if words(name) & CAPABILITIES}
    assert not named
    assert not {one for one in texts(text) - TEXTS if words(one) & CAPABILITIES}
    assert not {name for name in imports(text) if set(name.split(".")) & CAPABILITIES}


def test_the_search_finds_names_of_capabilities() -> None:
    text = "from ftl2_enterprise.protocol.loops import facts\nLOOP = find_loop(LoopState, 'event loop')\n"
    found = identifiers(text)
    assert {name for name in found if words(name) & CAPABILITIES} == {"loops", "LOOP", "find_loop", "LoopState"}
    assert "ftl2_enterprise.protocol.loops.facts" in imports(text)
    assert texts('"""A loop."""\nprint(f"every loop of {1}")\n') == {"every loop of "}
    assert len(machinery()) > 100


def test_the_import_contract_of_the_machinery_covers_all_of_it_and_forbids_every_capability() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [one for one in settings["contracts"] if one["name"] == "The machinery knows no capability"]
    for name in NAMES:
        folders = (path for path in (name, f"protocol/{name}", f"render/{name}", f"commandline/{name}"))
        there = {path.replace("/", ".") for path in folders if (PACKAGE / path).is_dir()}
        assert {f"ftl2_enterprise.{path}" for path in there} <= set(contract["forbidden_modules"])
    sources = contract["source_modules"]
    modules = (path.relative_to(PACKAGE.parent).with_suffix("") for path in machinery())
    names = {".".join(path.parts) for path in modules if path.name != "__init__"}
    assert not {name for name in names if not any(f"{name}.".startswith(f"{source}.") for source in sources)}
