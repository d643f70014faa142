"""The page about modules, generated from the table: `make reference` writes it to docs/reference/modules.md."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.gate.module_table import TABLE, ModuleClass, Observing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftl2_enterprise.gate.module_table import Module, Written

_OBSERVING = {
    Observing.READING: "yes",
    Observing.CHECKABLE: "in check mode",
    Observing.COMMANDS: "in the sandbox",
    Observing.OTHER: "no",
}

_OTHER_NAMES = re.compile(r"\|\w+")
_HEAD = """\
# Modules

What this program knows about modules. [Policy](policy.md), observations and the catalogue of modules depend on it. A
module that is listed is not necessarily installed.

The last column is about observations. *Yes*: the module only reads. *In check mode*: it runs in check mode, and
changes nothing. *In the sandbox*: the command runs in the read-only sandbox of its host. *Not with* names parameters
with which it cannot observe.

Among the paths, `{name}` stands for the value of a parameter and `{name=x}` for a value with a default. `*` is a name
that the module chooses.
"""


def document() -> str:
    """The page, as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for kind in ModuleClass:
        found = [one for one in TABLE if one.kind is kind]
        yield f"## {kind.capitalize()}\n"
        yield "| module | paths that it writes | commands, programs | packages, services, users, URLs | observing |"
        yield "|---|---|---|---|---|"
        yield from map(_row, sorted(found, key=lambda one: one.name))
        yield ""


def _row(one: Module) -> str:
    names = ", ".join(f"`{name}`" for name in (one.name, *one.names))
    also = f" (also {', '.join(one.also)})" if one.also else ""
    about = (*one.packages, *one.services, *one.users, *one.urls)
    except_with = f", not with {_params(one.not_observing)}" if one.not_observing else ""
    cells = (
        names + also,
        ", ".join(filter(None, (_params(one.writes), *map(_path, (*one.names_files, *one.default_writes))))),
        _params((*one.commands, *one.programs)),
        _params(about),
        _OBSERVING[one.observing] + except_with,
    )
    return f"| {' | '.join(cells)} |"


def _path(one: Written) -> str:
    given = f" with {_params(one.given)}" if one.given else ""
    without = f" without {_params(one.without)}" if one.without else ""
    # A second name of the same parameter would end a cell of the table.
    return f"`{_OTHER_NAMES.sub('', one.path)}`{given}{without}"


def _params(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


if __name__ == "__main__":
    sys.stdout.write(document())
