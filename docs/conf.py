"""Configuration of the documentation site; `make docs` builds it into build/docs."""

import re
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = _PROJECT["name"]
release = version = _PROJECT["version"]
copyright = "the ftl2-enterprise contributors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = f"ftl2-enterprise {release}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
html_extra_path = ["reference/manifest.schema.json"]

_TRANSITION = re.compile(r"^\s*(\S+) --> (\S+?)(?:: (\S+))?\s*$", re.MULTILINE)


class MermaidAsTable(SphinxTransform):
    """Shows the state diagrams of generated pages as tables: rendering Mermaid needs a script from another host."""

    default_priority = 200

    def apply(self) -> None:
        """Replace each Mermaid block by a table of its transitions."""
        for block in list(self.document.findall(nodes.literal_block)):
            if block.get("language") == "mermaid":
                block.replace_self(_table(_TRANSITION.findall(block.astext())))


def _table(transitions: list[tuple[str, str, str]]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in range(3)), cols=3)
    group += nodes.thead("", _row("from", "event", "to"))
    shown = [
        ("(new)" if old == "[*]" else old, event, "(final)" if new == "[*]" else new)
        for old, new, event in transitions
    ]
    group += nodes.tbody("", *(_row(*line) for line in shown))
    return nodes.table("", group)


def _row(*cells: str) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(MermaidAsTable)
