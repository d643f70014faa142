"""Finds modules by name, with the way to run them, or the reason why one cannot be used."""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.remote.observing import parameters
from ftl2_enterprise.gate.modules import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS = frozenset({"command", "shell"})
CONTENT = frozenset({"copy", "template"})
OBSERVATIONS = frozenset(parameters.PARAMETERS)
"""Built-in observations, which are ours: no module of FTL2 or Ansible has one of these names."""

NATIVE: dict[str, tuple[str, str]] = {
    "file": ("file", "ftl_file"),
    "uri": ("http", "ftl_uri"),
    "get_url": ("http", "ftl_get_url"),
    "pip": ("pip", "ftl_pip"),
    "wait_for": ("wait_for", "ftl_wait_for"),
    "dnf": ("dnf", "ftl_dnf"),
    "dnf5": ("dnf", "ftl_dnf"),
    "ec2_instance": ("aws.ec2", "ftl_ec2_instance"),
    "ec2_instance_info": ("aws.ec2", "ftl_ec2_instance_info"),
    "route53_record": ("aws.route53", "ftl_route53_record"),
    "route53_info": ("aws.route53", "ftl_route53_info"),
    "cloud_run_service": ("gcp.cloud_run", "ftl_cloud_run_service"),
    "artifact_registry_repository": ("gcp.artifact_registry", "ftl_artifact_registry_repository"),
    "secret_manager_secret": ("gcp.secret_manager", "ftl_secret_manager_secret"),
    "gcp_compute_instance": ("gcp.compute", "ftl_gcp_compute_instance"),
    "gcp_compute_instance_info": ("gcp.compute", "ftl_gcp_compute_instance_info"),
}
"""FTL2's own modules, which are functions, as file and function by name."""

NATIVE_PARAMETERS: dict[str, frozenset[str]] = {
    "file": frozenset(["path", "state", "mode", "owner", "group", "src", "dest", "recurse", "force"]),
    "uri": frozenset(
        [
            "url",
            "method",
            "body",
            "body_format",
            "headers",
            "timeout",
            "return_content",
            "status_code",
            "url_username",
            "url_password",
            "force_basic_auth",
            "bearer_token",
        ]
    ),
    "get_url": frozenset(["url", "dest", "checksum", "force", "timeout", "headers", "emit_events"]),
    "pip": frozenset(["name", "requirements", "state", "virtualenv", "extra_args"]),
    "wait_for": frozenset(["host", "port", "timeout", "delay", "sleep", "state", "connect_timeout"]),
}
"""For modules that exist in both styles: any other parameter selects the Ansible-style one."""

SYSTEM_PYTHON = "/usr/bin/python3"
BOUND_TO_SYSTEM = frozenset({"apt", "apt_repository", "deb822_repository", "rpm_key", "yum_repository"})
"""Modules that need bindings which only the system's Python has."""

SHIPPED = frozenset({"file", "dnf", "dnf5"})
"""FTL2's own modules that need only Python on a managed host; the others need libraries or a cloud."""

_NOTHING = "FTL2 reports success for it without doing anything"
_PLAYBOOK = "it controls a playbook, and there is none here"
REFUSED: dict[str, str] = {
    "raw": f"{_NOTHING}; use command",
    "script": f"{_NOTHING}; use copy, then command",
    "fetch": f"{_NOTHING}; use slurp",
    "reboot": f"{_NOTHING}; use command with 'systemctl reboot'",
    "gather_facts": f"{_NOTHING}; observe with command, getent or service_facts",
    "setup": "it cannot run under FTL2; observe with command, getent or service_facts",
    "wait_for_connection": f"{_NOTHING}; use wait_for",
    "validate_argument_spec": f"{_NOTHING}; there is no replacement",
    "package": "it chooses by facts that FTL2 does not gather; use apt or dnf",
    "async_status": _PLAYBOOK,
    "async_wrapper": _PLAYBOOK,
    "add_host": "hosts are added by a state operation (add_host), not by a module",
    "debug": f"{_PLAYBOOK}; write the text into the reasoning",
    "assert": f"{_PLAYBOOK}; use a check",
    "fail": f"{_PLAYBOOK}; use blocked",
    "set_fact": f"{_PLAYBOOK}; use add_resource",
    "pause": f"{_PLAYBOOK}; ask a question or wait with wait_for",
    **dict.fromkeys(
        ("set_stats", "group_by", "meta", "include_tasks", "import_tasks", "include_role", "import_role",
         "include_vars", "import_playbook"), _PLAYBOOK,
    ),
}  # fmt: skip

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){2,}")


@dataclass(frozen=True, kw_only=True)
class CatalogueModule:
    """A module: `kind` is observe, command, content, native or ansible; `path` is that of an Ansible-style module."""

    name: str
    kind: str
    path: Path | None = None
    collection: str | None = None


_OWN: dict[str, CatalogueModule] = {
    name: CatalogueModule(name=name, kind=kind)
    for kind, names in (("observe", OBSERVATIONS), ("command", COMMANDS), ("content", CONTENT))
    for name in names
}
"""Modules that this program performs itself."""


def find(
    name: str, params: Mapping[str, Any] | None = None, *, local: bool = True, checks: bool = False
) -> CatalogueModule | str:
    """The module, or one sentence with the reason why it cannot be used.

    With `checks` it has a check mode, which FTL2's own modules have not: then it is the Ansible-style one.
    """
    short = name_of(name)
    if short in REFUSED:
        return f"cannot use the module {name}: {REFUSED[short]}"
    if (own := _OWN.get(short)) is not None:
        return own
    if not checks and _is_native(short, params or {}, local=local):
        return CatalogueModule(name=short, kind="native")
    if "." in short:
        return _in_collection(short)
    path = library() / f"{short}.py"
    if short in NATIVE and not path.is_file():
        return f"cannot use the module {name} over SSH: it calls the API of a cloud; run it on localhost"
    if not short.isidentifier() or not path.is_file():
        return _unknown(name)
    return CatalogueModule(name=short, kind="ansible", path=path)


def _is_native(short: str, params: Mapping[str, Any], *, local: bool) -> bool:
    if short not in NATIVE or not (local or short in SHIPPED):
        return False
    taken = NATIVE_PARAMETERS.get(short)
    return (taken is None or taken >= set(params)) and (short != "file" or _file_fits(params))


def _file_fits(params: Mapping[str, Any]) -> bool:
    """Whether FTL2's own `file` supports the parameters: only names as owner and group, and non-zero octal modes."""
    mode = params.get("mode")
    octal = mode is None or isinstance(mode, int) or (str(mode).isdigit() and str(mode).strip("0") != "")
    return octal and not any(str(params.get(key)).isdigit() for key in ("owner", "group"))


def _in_collection(name: str) -> CatalogueModule | str:
    if not _DOTTED.fullmatch(name):
        return f"cannot find the module {name}: write a short name, or namespace.collection.module"
    namespace, collection, *rest = name.split(".")
    for root in collection_roots():
        path = Path(root, "ansible_collections", namespace, collection, "plugins", "modules", *rest)
        if path.with_suffix(".py").is_file():
            return CatalogueModule(
                name=name, kind="ansible", path=path.with_suffix(".py"), collection=f"{namespace}.{collection}"
            )  # fmt: skip
    return (
        f"cannot find the module {name}: the collection {namespace}.{collection} is not below any folder of "
        "ANSIBLE_COLLECTIONS_PATH"
    )


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name_of(name), names(), n=1, cutoff=0.5)
    return f"cannot find the module {name}" + (f"; did you mean {nearest[0]}?" if nearest else "")


def collection_roots() -> list[str]:
    """The directories that are searched for collections, in FTL2's order."""
    given = os.environ.get("ANSIBLE_COLLECTIONS_PATH")
    usual = [str(Path("~/.ansible/collections").expanduser()), "/usr/share/ansible/collections"]
    return [str(Path.cwd() / "collections"), *([p for p in given.split(":") if p] if given else usual)]


@cache
def library() -> Path:
    """The folder of the Ansible-style modules that FTL2 includes, found without an import."""
    found = importlib.util.find_spec("ansible")
    places = list(found.submodule_search_locations or ()) if found else []
    return Path(places[0] if places else "/nonexistent") / "modules"


@cache
def names() -> tuple[str, ...]:
    """The short names of all usable modules."""
    files = {path.stem for path in library().glob("[!_]*.py")}
    return tuple(sorted((files | COMMANDS | CONTENT | OBSERVATIONS | set(NATIVE)) - set(REFUSED)))
