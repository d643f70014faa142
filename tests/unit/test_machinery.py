"""The machinery names no capability: not in identifiers and imports, not in messages, and not in what explains it.

The nouns are those of the capabilities that exist, from their verbs, subjects and tables, and of those to come.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import check_imports
import ftl2_enterprise
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.wiring.capabilities import NAMES, capabilities

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

PACKAGE = Path(ftl2_enterprise.__path__[0])
SHARED_TABLES = {"cursors", "events", "freezes", "handovers", "texts"}
TO_COME = {"task", "campaign", "knowledge"}
LISTS = {PACKAGE / "wiring" / "capabilities.py", PACKAGE / "wiring" / "links.py"}
"""What lists capabilities and links by name."""
EVENT_LOOP = {
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
OTHERS = {
    *("Resources", "_resources", "resource", "resources"),  # what root opens for its children; limits of a process
    *("actions", "file_actions"),  # arguments of posix_spawn
    *("PromptSession", "prompt", "prompt_toolkit"),  # the library of the shell
}
"""Identifiers that mean something else."""
TEXTS = {
    "/loops.db",  # the name that the database has always had
    "--db loops.db supervise --socket ./control.sock",
    "/proc/self/task",
    "/task",
    "/task/",
    "prompt",  # one of the words that are never a secret
}
PHRASES = re.compile(r"/proc/\S+|event loops?|default action|prompt_toolkit", re.IGNORECASE)
"""What means something else in a text."""
GATE = {
    "action",
    "actions",
    "approval",
    "approvals",
    "host",
    "hosts",
    "observation",
    "observations",
    "prompt",
    "prompts",
    "rule",
    "rules",
}
"""Words of the gate: what reaches hosts, and the rules of a policy, for every capability."""
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def nouns() -> set[str]:
    """The nouns of the capabilities, in singular and plural."""
    service = {"event", "log", "policy", "system", "text"}
    found = {verb.partition(".")[0] for verb in CATALOGUE} - service
    found |= {kind.kind for one in capabilities() for kind in one.subjects}
    found |= {name for name in metadata.tables if name not in SHARED_TABLES and name.isalpha()}
    found |= {*NAMES, *TO_COME}
    singular = {noun.removesuffix("s") for noun in found}
    return singular | {f"{noun}s" for noun in singular}


NOUNS = nouns()


def machinery() -> list[Path]:
    found: list[Path] = []
    for path in check_imports.SourceTree(PACKAGE).machinery():
        found += path.rglob("*.py") if path.is_dir() else [path]
    # Migrations are the history of the database, which began with the tables of loops.
    return sorted(path for path in found if "migrations" not in path.parts and path not in LISTS)


def words(identifier: str) -> set[str]:
    return {word.lower() for word in WORD.findall(identifier)}


def identifiers(text: str) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def texts(text: str) -> set[str]:
    """The constants of text and of bytes, among them docstrings, and the comments."""
    constants = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {token.string for token in tokens if token.type == tokenize.COMMENT}
    bytes_found = {value.decode(errors="replace") for value in constants if isinstance(value, bytes)}
    return {value for value in constants if isinstance(value, str)} | bytes_found | comments


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


def named(text: str, *, nouns: AbstractSet[str] = NOUNS) -> set[str]:
    """What in the source names a capability."""
    allowed = EVENT_LOOP if HAS_EVENT_LOOP.search(text) else set[str]()
    found = {name for name in identifiers(text) - allowed - OTHERS if words(name) & nouns}
    accepted = {"task", "tasks"} & allowed
    found |= {one for one in texts(text) - TEXTS if words(PHRASES.sub("", one)) & (nouns - accepted)}
    return found | {name for name in imports(text) if set(name.split(".")) & {*NAMES}}


@pytest.mark.parametrize("path", machinery(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_of_the_machinery_names_no_capability(path: Path) -> None:
    own = GATE if path.is_relative_to(PACKAGE / "gate") else set[str]()
    assert named(path.read_text(), nouns=NOUNS - own) == set()


def test_the_search_finds_names_of_capabilities() -> None:
    text = (
        '"""A loop."""\nfrom ftl2_enterprise.protocol.loops import facts\nLOOP = find_loop(LoopState, "event loop")\n'
        'print(f"every prompt of {1}", b"an action")  # as iterations\nsocket.loops = 1\n'
    )
    assert named(text) == {
        "A loop.",
        "ftl2_enterprise.protocol.loops",
        "ftl2_enterprise.protocol.loops.facts",
        "loops",
        "LOOP",
        "find_loop",
        "LoopState",
        "every prompt of ",
        "an action",
        "# as iterations",
    }
    assert {"loop", "loops", "prompts", "rule", "iterations", "increments", "task", "hosts"} <= NOUNS
    assert not NOUNS & {"event", "events", "text", "texts", "cursors", "service"}
    assert len(machinery()) > 150
