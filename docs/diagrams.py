"""Draws `explanation/layers.svg` from the import contract in pyproject.toml; `--check` fails if it is out of date."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from xml.sax.saxutils import escape

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT / "packaging"))

import check_imports  # noqa: E402 - found in the folder above

LAYERS = DOCS / "explanation" / "layers.svg"
CONTRACT = "An import may only point down"

MEANINGS = {
    "entrypoints": "what the console scripts call; first code of each process",
    "cli": "ftl2-enterprise: run, supervise, tour",
    "ctl": "ftl2ctl: commands and the interactive shell",
    "commandline": "declarations of commands, parsing, help and completion of both programs",
    "wiring": "assembles the service, a loop's process, and the foreground run",
    "adapters": "hosts and inventories, deciders, models: where the world is touched",
    "supervisor": "root, forkserver, writer, control, logs",
    "store": "database, units of work, migrations",
    "client": "the socket, from outside",
    "render": "nouns and facts as text, tables and JSON",
    "protocol": "nouns, verbs, facts, frames",
    "core": "clock, problem, state machine, settings; standard library and msgspec only",
}
"""One line for each package of the contract; that of a capability is the docstring of its package."""

WIDTH, HEIGHT, GAP, MARGIN = 980, 62, 16, 20
STYLE = """\
.page { fill: #ffffff; }
.box { fill: #eef3f8; stroke: #35506b; stroke-width: 1.5; }
.name { font: 600 17px monospace; fill: #14283c; }
.text { font: 13px sans-serif; fill: #33475b; }
.line { stroke: #35506b; stroke-width: 1.5; fill: none; }"""


def main(arguments: list[str]) -> int:
    """Write the drawing, or compare it; returns the exit status."""
    drawn = draw(_rows())
    if arguments == ["--check"]:
        if LAYERS.read_text(encoding="utf-8") != drawn:
            sys.stderr.write(f"{LAYERS.relative_to(ROOT)} is out of date: run `make reference`\n")
            return 1
        return 0
    LAYERS.write_text(drawn, encoding="utf-8")
    return 0


def _rows() -> list[list[str]]:
    """The packages of each layer, from the top."""
    contracts = check_imports.contracts(ROOT)
    (layers,) = [contract["layers"] for contract in contracts if contract["name"] == CONTRACT]
    return [[name.strip(" ()") for name in layer.replace(":", "|").split("|")] for layer in layers]


def _meaning(name: str) -> str:
    if name in MEANINGS:
        return MEANINGS[name]
    package = ROOT / check_imports.PACKAGE / name / "__init__.py"
    text = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
    first = text.partition("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def draw(rows: list[list[str]]) -> str:
    """The drawing: one row of boxes for each layer, and arrows from a layer to the next one."""
    height = MARGIN * 2 + len(rows) * (HEIGHT + GAP) - GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The layers of ftl2_enterprise: an import may only point down</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
    ]
    for level, names in enumerate(rows):
        top = MARGIN + level * (HEIGHT + GAP)
        width = (WIDTH - 2 * MARGIN - GAP * (len(names) - 1)) / len(names)
        for place, name in enumerate(names):
            left = MARGIN + place * (width + GAP)
            parts += _box(left, top, width, name, _meaning(name))
        if level:
            x, y = WIDTH / 2, top - GAP
            parts.append(f'<path class="line" d="M{x:g} {y} v{GAP - 2} m-5 -6 l5 6 l5 -6"/>')
    return "\n".join([*parts, "</svg>", ""])


def _box(left: float, top: float, width: float, name: str, meaning: str) -> list[str]:
    middle = left + width / 2
    return [
        f'<rect class="box" x="{left:g}" y="{top:g}" width="{width:g}" height="{HEIGHT}" rx="6"/>',
        f'<text class="name" x="{middle:g}" y="{top + 26:g}" text-anchor="middle">{escape(name)}</text>',
        f'<text class="text" x="{middle:g}" y="{top + 47:g}" text-anchor="middle">{escape(meaning)}</text>',
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
