"""What a person wants of a loop: the desired state as it was given, and what the loop is called."""

from __future__ import annotations

import os
import re

from ftl2_enterprise.core.problem import invalid, not_found

LONGEST_NAME = 80


def read_desired_state(text: str | None, path: str | None) -> tuple[str, str | None]:
    """The desired state and the absolute path of its file, if it came from one.

    Raises Problem when there is none, when there are two, or when the file cannot be read.
    """
    if (text is None) == (path is None):
        why = "there is none" if text is None else "there are two: the argument and -f"
        raise invalid(f"cannot take a desired state: {why}", "give a sentence, or a manifest with -f FILE")
    if text is not None and len(text.split()) == 1 and text.endswith((".yaml", ".yml")):
        # Nobody means the name of a manifest as a sentence.
        text, path = None, text
    if path is not None:
        text = _read(path)
    if text is None or not text.strip():
        raise invalid("cannot take an empty desired state", "say what should be true")
    return text, None if path is None else os.path.abspath(path)  # noqa: PTH100 - pathlib costs a client too much


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.read()
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read {path}: it is not UTF-8 text") from error
    except FileNotFoundError as error:
        raise not_found(f"cannot read {path}: there is no such file") from error
    except OSError as error:
        raise invalid(f"cannot read {path}: {(error.strerror or 'failed').lower()}") from error


def name_for(text: str, source: str | None, *, dry_run: bool) -> str:
    """A name made from the file's, else from the first words."""
    words = _stem(source) if source is not None else " ".join(text.split()[:6])
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40].rstrip("-")
    name = f"loop-{slug}" if slug.isdigit() else slug or "loop"
    # A preview must not take the name that the real loop is going to have.
    return f"{name}-dry-run" if dry_run else name


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]  # noqa: PTH119, PTH122 - pathlib costs a client too much


def check_name(name: str) -> None:
    """Raises Problem when a loop cannot be called that."""
    if (
        not name.strip()
        or len(name) > LONGEST_NAME
        or not name.isprintable()
        or name.isdigit()
        or name.startswith("-")
    ):
        raise invalid(
            f"cannot call a loop {name[:LONGEST_NAME]!r}",
            "a name has 1 to 80 printable characters, is not a number and does not begin with a dash",
        )
