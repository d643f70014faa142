"""Loading a manifest: parse, resolve, validate, plan. Every error that can be found without a host is found here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest.parse import parse
from ftl2_enterprise.adapters.deciders.manifest.plan import ManifestPlan, plan
from ftl2_enterprise.adapters.deciders.manifest.resolve import resolve
from ftl2_enterprise.adapters.deciders.manifest.validate import validate
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.source_files import ON_DISK, SourceFiles

if TYPE_CHECKING:
    from collections.abc import Mapping


def looks_like_manifest(text: str) -> bool:
    """Whether a desired state is a manifest: it has `version:` and `steps:` at the start of lines.

    In a single mapping in braces, as in JSON, they may be anywhere.
    """
    if text.lstrip().startswith("{"):
        return all(re.search(rf"""[{{,\s](["']?){key}\1\s*:""", text) for key in ("version", "steps"))
    return bool(re.search(r"^version[ \t]*:", text, re.MULTILINE) and re.search(r"^steps[ \t]*:", text, re.MULTILINE))


def load(path: str | Path, vars: Mapping[str, Any] | None = None) -> ManifestPlan:
    """Load the manifest in a file; `vars` replaces values of its variables. Raises Problem(invalid)."""
    file = Path(path)
    try:
        text = ON_DISK.read(file).decode()
    except FileNotFoundError:
        raise invalid(f"cannot read the manifest {file}: it does not exist") from None
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read the manifest {file}: it is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise invalid(f"cannot read the manifest {file}: {error.strerror or error}") from None
    return load_text(text, source=str(file), directory=file.absolute().parent, vars=vars)


def load_text(
    text: str,
    *,
    source: str,
    directory: Path,
    vars: Mapping[str, Any] | None = None,
    sources: SourceFiles = ON_DISK,
) -> ManifestPlan:
    """Load a manifest from its text; files that it names are relative to the directory. Raises Problem(invalid)."""
    return plan(validate(resolve(parse(text, source=source, directory=directory), vars or {}, sources)))
