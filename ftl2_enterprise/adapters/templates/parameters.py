"""Renders the parameters of the module `template`, in the process of a call on this machine."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

from jinja2 import BaseLoader, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.loaders import split_template_path

from ftl2_enterprise.adapters.templates.meter import charge, metered
from ftl2_enterprise.adapters.templates.sandbox import CannotRender, Sandbox, reason
from ftl2_enterprise.core.regular_file import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment

MAX_FILE = 4 << 20
"""Bytes of an included file."""
MAX_MEMORY = 1 << 30
"""Bytes of address space that rendering may add to the process: a second limit, should the sandbox's fail."""
MAX_PROCESSOR_SECONDS = 60


def render(
    text: str,
    variables: Mapping[str, Any],
    *,
    name: str,
    directory: str | None,
    options: Mapping[str, bool],
    included: list[str] | None = None,
) -> str:
    """The rendered text. `directory` is where the template's own file is; its files can be included.

    The paths of those that are included are appended to `included`.

    Raises CannotRender with one sentence that names the template.
    """
    sandbox = Sandbox(
        loader=_Directory(Path(directory), [] if included is None else included) if directory else _NoFiles(),
        trim_blocks=options.get("trim_blocks", False), lstrip_blocks=options.get("lstrip_blocks", False),
    )  # fmt: skip
    try:
        with metered():
            charge(len(text))
            return sandbox.from_string(text).render(variables)
    except TemplateSyntaxError as error:
        raise CannotRender(f"cannot render {name}: line {error.lineno}: {error.message}") from None
    except TemplateNotFound as error:
        raise CannotRender(
            f"cannot render {name}: it includes {error.message or error}, {_lack(directory)}"
        ) from None
    except Exception as error:  # a template may raise any
        raise CannotRender(f"cannot render {name}: {reason(error)}") from None


def limit_process() -> None:
    """Limit memory and processor time of this process, which is forked for one rendering."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - imports as little as possible
        used = int(file.read().split()[0]) * resource.getpagesize()
    for kind, limit in ((resource.RLIMIT_AS, used + MAX_MEMORY), (resource.RLIMIT_CPU, MAX_PROCESSOR_SECONDS)):
        _, hard = resource.getrlimit(kind)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)  # noqa: PLW2901
        resource.setrlimit(kind, (limit, limit))


def _lack(directory: str | None) -> str:
    if directory is None:
        return "and a template that is given as content cannot include files"
    return f"which is not a file below {directory}"


class _NoFiles(BaseLoader):
    """Finds no file."""

    @override
    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        raise TemplateNotFound(template)


class _Directory(BaseLoader):
    """Finds regular files below a directory, also after following links."""

    def __init__(self, directory: Path, included: list[str]) -> None:
        self._directory: Path = directory.resolve()
        self._included: list[str] = included

    @override
    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        if template.startswith("/") or "\0" in template:
            raise TemplateNotFound(template)
        path = self._directory.joinpath(*split_template_path(template))
        text = self._read(path)
        if text is None:
            raise TemplateNotFound(template)
        charge(len(text))
        return text, str(path), None

    def _read(self, path: Path) -> str | None:
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(self._directory):
                return None
            # A link could have been exchanged since.
            with open(open_regular(real, follow=False), "rb") as file:  # noqa: PTH123
                data = file.read(MAX_FILE + 1)
            self._included.append(str(real))
        except (OSError, RuntimeError, ValueError):
            return None
        if len(data) > MAX_FILE:
            raise TemplateError(f"the file {path.name} that it includes is larger than {MAX_FILE >> 20} MiB")
        return data.decode("utf-8", "replace")
