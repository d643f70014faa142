"""Checks the import contracts of pyproject.toml: `check_imports.py`. Prints only what is broken.

The contracts name no capability. A capability is a package NAME with a record `wiring/NAME/capability.py`, and every
folder called NAME belongs to it; the contracts inside of it are in its own `NAME/import_contracts.toml`. Placeholders
in the contracts are filled in for import-linter:

- `<capability>` is the name of each capability that has such a module. If the name of a contract has it, there is one
  contract for each capability.
- `<folders>` are the folders of that capability, or of all; `<folders of others>` are those of all others.
- `<machinery>` is every module outside of these folders and of `adapters`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from configparser import RawConfigParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
PACKAGE = "ftl2_enterprise"
NAME, FOLDERS, OTHERS, MACHINERY = "<capability>", "<folders>", "<folders of others>", "<machinery>"
NO_MACHINERY = ("adapters",)
"""Packages that may know a capability: they implement its ports."""

type Contract = dict[str, Any]


def main() -> int:
    """Run import-linter with the contracts; returns its exit status."""
    with tempfile.NamedTemporaryFile("w", suffix=".ini", encoding="utf-8") as file:
        configuration(ROOT).write(file)
        file.flush()
        done = subprocess.run(
            [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", "--config", file.name],
            cwd=ROOT, check=False, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        sys.stdout.write(done.stdout + done.stderr)
    return done.returncode


def configuration(root: Path) -> RawConfigParser:
    """The settings for import-linter, for the package below this folder."""
    made = RawConfigParser()
    made["importlinter"] = {name: str(value) for name, value in _settings(root).items() if name != "contracts"}
    for number, contract in enumerate(contracts(root)):
        made[f"importlinter:contract:{number}"] = {name: _written(value) for name, value in contract.items()}
    return made


def contracts(root: Path) -> list[Contract]:
    """The contracts of pyproject.toml for the capabilities that there are."""
    tree = SourceTree(root / PACKAGE)
    found: list[Contract] = list(_settings(root)["contracts"])
    for capability in tree.capabilities:
        own = root / PACKAGE / capability / "import_contracts.toml"
        if own.is_file():
            found += tomllib.loads(own.read_text(encoding="utf-8"))["contracts"]
    return [filled for contract in found for filled in _filled(contract, tree)]


def _settings(root: Path) -> Mapping[str, Any]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return project["tool"]["importlinter"]


def _written(value: Any) -> str:
    return "\n" + "\n".join(value) if isinstance(value, list) else str(value)


# --- capabilities and machinery ------------------------------------------------------------------------------------


class SourceTree:
    """The modules of a package, by capability and machinery."""

    def __init__(self, package: Path) -> None:
        self._package = package
        self.capabilities: tuple[str, ...] = tuple(
            sorted(path.parent.name for path in package.glob("wiring/*/capability.py"))
        )

    def folders(self, capability: str) -> list[Path]:
        """The folders of a capability, without those inside another one."""
        return sorted(path for path in self._package.rglob(capability) if path.is_dir() and self._is_first(path))

    def machinery(self) -> list[Path]:
        """The files and folders that contain machinery and nothing else."""
        return list(self._machinery(self._package))

    def module(self, path: Path) -> str:
        """The full name of the module or package."""
        return ".".join(path.relative_to(self._package.parent).with_suffix("").parts)

    def has(self, module: str) -> bool:
        """Whether there is a module or package of that full name."""
        path = self._package.parent.joinpath(*module.split("."))
        return path.is_dir() or path.with_suffix(".py").is_file()

    def _is_first(self, path: Path) -> bool:
        return not set(path.relative_to(self._package).parts[:-1]) & set(self.capabilities)

    def _machinery(self, folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                if path.name in self.capabilities or path.name.startswith(("_", ".")):
                    continue
                if folder == self._package and path.name in NO_MACHINERY:
                    continue
                if any(any(path.rglob(name)) for name in self.capabilities):
                    yield from self._machinery(path)
                elif any(path.rglob("*.py")):
                    yield path
            elif path.suffix == ".py" and path.name != "__init__.py":
                yield path


# --- placeholders --------------------------------------------------------------------------------------------------


def _filled(contract: Contract, tree: SourceTree) -> Iterator[Contract]:
    """The contract; once for each capability if it is about one, and not at all if its subject does not exist."""
    for capability in tree.capabilities if NAME in contract["name"] else (None,):
        of = tree.capabilities if capability is None else (capability,)
        filled = {
            option: value.replace(NAME, capability or NAME)
            if isinstance(value, str)
            else _values(option, value, contract, tree, of)
            if isinstance(value, list)
            else value
            for option, value in contract.items()
        }
        if [] not in filled.values():
            yield filled


def _values(option: str, values: list[str], contract: Contract, tree: SourceTree, of: Sequence[str]) -> list[str]:
    if option == "layers":
        layers = [_layer(layer, contract.get("containers", []), tree) for layer in values]
        return [layer for layer in layers if layer]
    return [filled for value in values for filled in _value(value, tree, of)]


def _value(value: str, tree: SourceTree, of: Sequence[str]) -> Iterable[str]:
    if value == MACHINERY:
        return [tree.module(path) for path in tree.machinery()]
    if value == FOLDERS:
        return [tree.module(path) for name in of for path in tree.folders(name)]
    if value == OTHERS:
        return [tree.module(path) for name in tree.capabilities if name not in of for path in tree.folders(name)]
    if NAME not in value:
        return [value]
    return [module for name in of if tree.has(module := value.replace(NAME, name))]


def _layer(layer: str, containers: Sequence[str], tree: SourceTree) -> str:
    """The layer with each capability that the containers have, as siblings that do not import each other."""
    if NAME not in layer:
        return layer
    there = [name for name in tree.capabilities if any(tree.has(f"{one}.{name}") for one in containers)]
    parts = [part.strip() for part in layer.split("|")]
    return " | ".join(filled for part in parts for filled in (there if part == NAME else [part]))


if __name__ == "__main__":
    sys.exit(main())
