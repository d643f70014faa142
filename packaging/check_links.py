"""Fails on dead links: in every Markdown file of the repository, or in a built site (`--site FOLDER`).

A link within the repository needs its file and its anchor. A site must not load scripts, styles, fonts or images from
another host. Links to other hosts are not followed: nothing here uses the network.
"""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
_FENCED = re.compile(r"^ *(```+|~~~+).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_LOADED_BY_CSS = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]+)""")
_LOADS = {
    ("script", "src"),
    ("img", "src"),
    ("source", "src"),
    ("iframe", "src"),
    ("link", "href"),
    ("object", "data"),
}


def main(arguments: list[str]) -> int:
    """Print each dead link with its file; returns the exit status."""
    dead = _in_site(Path(arguments[1])) if arguments[:1] == ["--site"] else _in_repository()
    sys.stdout.writelines(f"{line}\n" for line in dead)
    return 1 if dead else 0


def _in_repository() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    pages = [ROOT / name for name in listed.stdout.split("\0") if name]
    texts = {page: _FENCED.sub("", page.read_text(encoding="utf-8")) for page in pages if page.is_file()}
    anchors = {page.resolve(): _slugs(text) for page, text in texts.items()}
    dead: list[str] = []
    for page, text in texts.items():
        for target in _LINK.findall(_CODE.sub("", text)):
            reason = _why_dead(target, page, anchors)
            if reason:
                dead.append(f"{page.relative_to(ROOT)}: {target}: {reason}")
    return dead


def _why_dead(target: str, page: Path, anchors: dict[Path, set[str]]) -> str:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return ""
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
    if not file.exists():
        return "no such file"
    if parts.fragment and file in anchors and parts.fragment not in anchors[file]:
        return "no such heading"
    return ""


def _slugs(text: str) -> set[str]:
    """The anchors of the headings, as GitHub and MyST make them."""
    found: set[str] = set()
    for heading in _HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found


class _Page(HTMLParser):
    """The anchors, links and loaded resources of one HTML page."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        for name in ("href", "src", "data"):
            if given.get(name) and tag != "base":
                self.links.append(given[name])
                if (tag, name) in _LOADS and given.get("rel") not in {"canonical", "author", "license"}:
                    self.loaded.append(given[name])


def _in_site(site: Path) -> list[str]:
    pages: dict[Path, _Page] = {}
    for file in sorted(site.rglob("*.html")):
        pages[file.resolve()] = page = _Page()
        page.feed(file.read_text(encoding="utf-8"))
    dead: list[str] = [] if pages else [f"{site}: no page was built"]
    for file, page in pages.items():
        name = file.relative_to(site.resolve())
        dead += [f"{name}: {link}: {why}" for link in page.links if (why := _why_dead_in_site(link, file, pages))]
        dead += [f"{name}: {link}: loaded from another host" for link in page.loaded if urlsplit(link).netloc]
    for style in sorted(site.rglob("*.css")):
        found = _LOADED_BY_CSS.findall(style.read_text(encoding="utf-8"))
        dead += [f"{style.relative_to(site)}: {link}: loaded from another host" for link in found]
    return dead


def _why_dead_in_site(link: str, file: Path, pages: dict[Path, _Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return "no such file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "no such anchor"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
