"""The texts under which the parameters of an effect are compared with patterns. Pure."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.gate.effects import EffectKind
from ftl2_enterprise.gate.module_table import Observing
from ftl2_enterprise.gate.modules import find, is_given
from ftl2_enterprise.gate.policy import commands, paths, spellings, written
from ftl2_enterprise.gate.policy.globs import TOKENS_LIMIT, is_expanded, size

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from ftl2_enterprise.gate.effects import Effect
    from ftl2_enterprise.gate.module_table import Module


class Meaning(Enum):
    """What a condition about a parameter is about."""

    PATH = auto()
    COMMAND = auto()
    PACKAGE = auto()
    SERVICE = auto()
    USER = auto()
    URL = auto()
    MODE = auto()
    PLAIN = auto()


GENERAL: Mapping[str, Meaning] = {
    **dict.fromkeys(("path", "dest", "destfile"), Meaning.PATH),
    **dict.fromkeys(("cmd", "_raw_params", "argv", "free_form", "command"), Meaning.COMMAND),
    **dict.fromkeys(("package", "pkg"), Meaning.PACKAGE),
    **dict.fromkeys(("service", "unit"), Meaning.SERVICE),
    "user": Meaning.USER,
    "url": Meaning.URL,
}
"""Names that a rule can use for any module: `param.path` is about every path that a module writes."""

_SPELLINGS: Mapping[Meaning, Callable[[str], tuple[str, ...]]] = {
    Meaning.PACKAGE: spellings.package_spellings,
    Meaning.SERVICE: spellings.service_spellings,
    Meaning.USER: spellings.user_spellings,
    Meaning.MODE: spellings.mode_spellings,
}
_INPUTS = ("stdin", "environment")
"""What a command reads, which can be a program for it."""
_OWNERS = frozenset({"owner", "group", "uid", "gid"})


@dataclass(frozen=True, kw_only=True)
class Values:
    """What the parameters that a condition is about contain."""

    items: tuple[tuple[str, ...], ...] = ()
    """One for each value, with every spelling of it."""
    more: tuple[str, ...] = ()
    """Texts that can deny and cannot allow: a whole list, or where a path may lead."""
    trees: tuple[str, ...] = ()
    """Directories in which a module may change everything."""
    visible: tuple[str, ...] = ()
    """Directories in which a command may change something."""
    globs: tuple[str, ...] = ()
    """Words of a command that a shell may replace by several paths."""
    folders: tuple[str, ...] = ()
    """Directories in which a module writes files of names that it chooses; they can deny and cannot allow."""
    python_names: tuple[str, ...] = ()
    """Normal forms of names of Python packages; they can deny and cannot allow."""
    is_complete: bool = True
    """Whether these are all; otherwise every rule that denies or asks is about them, and none that allows."""
    meaning: Meaning = Meaning.PLAIN


def values(effect: Effect, name: str, *, also_written: bool = True) -> Values:
    """What a condition about the parameter `name` is compared with.

    `also_written`: whether a path that the host has resolved is compared as it is written, too.
    """
    known = find(effect.module)
    meaning, covered = _covered(effect.module, name, observes=_observes(effect))
    names = [one for one in covered if one in effect.params]
    match meaning:
        case Meaning.PATH:
            return _paths(effect, known, name, names, also_written=also_written)
        case Meaning.COMMAND:
            return _commands(effect, known, names)
        case _:
            found = [_texts(effect.params[one], meaning, is_list=known is not None and one in known.lists)
                     for one in names]  # fmt: skip
            return Values(
                items=tuple(item for one in found for item in one.items),
                more=tuple(text for one in found for text in one.more),
                python_names=_python_names(known, meaning, found),
                meaning=meaning,
            )


def _python_names(known: Module | None, meaning: Meaning, found: Iterable[Values]) -> tuple[str, ...]:
    if meaning is not Meaning.PACKAGE or known is None or not known.names_are_normalized:
        return ()
    return tuple({spellings.python_name(text) for one in found for item in one.items for text in item})


def written_paths(effect: Effect, also: Iterable[str] = ()) -> tuple[str, ...]:
    """Every path that a rule about paths could be about, as it is written, for the host to resolve.

    `also`: the names of parameters that rules are about, besides those which the module writes.
    """
    known = find(effect.module)
    names = tuple(effect.params)
    lists: Container[str] = ()
    if known is not None:
        names = tuple(
            name for one in ("path", *also) for name in _covered(known.name, one, observes=_observes(effect))[1]
        )
        lists = known.lists
    found = [
        _split(effect.params[one], is_list=one in lists) if known is not None else _strings(effect.params[one])
        for one in dict.fromkeys(names)
        if one in effect.params
    ]
    # Of a module that is not known, only what has a slash may be a path, as for rules.
    flat = dict.fromkeys(
        path for many in found for path in many if path and (known is not None or _may_be_path(path))
    )
    named = _file_name(effect, known)
    inside = [f"{path.rstrip('/')}/{named}" for path in flat] if named else []
    defaults = (path.removesuffix("/*") for path in written.default_files(effect, known))
    made = (*written.named_files(effect, known), *defaults, *written.linked(effect))
    return tuple(dict.fromkeys((*flat, *inside, *made, *_command_paths(effect, known).paths)))


def covered_parameters(module: str, name: str) -> tuple[str, ...]:
    """The parameters of a module that a condition about that name covers."""
    return _covered(module, name)[1]


def _observes(effect: Effect) -> bool:
    return effect.kind is EffectKind.OBSERVATION


@lru_cache(8192)
def _covered(module: str, name: str, *, observes: bool = False) -> tuple[Meaning, tuple[str, ...]]:
    """What a condition about that name is about, and the parameters that it covers."""
    known = find(module)
    meaning = _meaning(known, name)
    return meaning, _names(known, name, meaning, observes=observes)


def _meaning(known: Module | None, name: str) -> Meaning:
    if known is not None:
        for meaning, group in (
            (Meaning.PATH, (*known.writes, *known.reads)),
            (Meaning.COMMAND, (*known.commands, *known.programs)),
            (Meaning.PACKAGE, known.packages),
            (Meaning.SERVICE, known.services),
            (Meaning.USER, known.users),
            (Meaning.URL, known.urls),
        ):
            if name in group:
                return meaning
    if name in GENERAL:
        return GENERAL[name]
    return Meaning.MODE if name.endswith("mode") else Meaning.USER if name in _OWNERS else Meaning.PLAIN


def _names(known: Module | None, name: str, meaning: Meaning, *, observes: bool) -> tuple[str, ...]:
    """The parameters that a condition about that name covers."""
    if known is None:
        return (name,)
    only_reads = known.observing is Observing.READING or (observes and known.observing is Observing.CHECKABLE)
    role = {
        # What only reads has no other paths.
        Meaning.PATH: (*known.writes, *(known.reads if only_reads else ())),
        Meaning.COMMAND: (*known.commands, *known.programs, *(_INPUTS if known.base or known.commands else ())),
        Meaning.PACKAGE: known.packages,
        Meaning.SERVICE: known.services,
        Meaning.USER: known.users,
        Meaning.URL: known.urls,
    }.get(meaning, ())
    groups = (known.writes, known.reads, *known.synonyms)
    same = [other for group in groups if name in group for other in group]
    general = role if name in GENERAL or name in role else ()
    return tuple(dict.fromkeys((name, *same, *general)))


# --- values --------------------------------------------------------------------------------------------------------


def _texts(value: Any, meaning: Meaning, *, is_list: bool) -> Values:
    spell = _SPELLINGS.get(meaning)
    match value:
        case list() | tuple():
            items = [_item(one, spell) for one in cast("Iterable[Any]", value)]
            return Values(items=tuple(items), more=_whole(value))
        case str() if is_list and "," in value:
            return Values(items=tuple(_item(one, spell) for one in value.split(",")), more=(value, value.strip()))
        case _ if meaning is Meaning.MODE:
            return Values(items=((*_item(value, None), *spellings.mode_spellings(value)),))
        case _:
            return Values(items=(_item(value, spell),))


def _item(value: Any, spell: Callable[[str], tuple[str, ...]] | None) -> tuple[str, ...]:
    plain = param_texts(value)
    return tuple(dict.fromkeys((*plain, *spell(plain[0]))) if spell is not None else plain)


def _whole(value: Any) -> tuple[str, ...]:
    items = [str(item) for item in cast("Iterable[Any]", value)]
    return (json.dumps(value, ensure_ascii=False, default=str), " ".join(items), ",".join(items))


def param_texts(value: Any) -> tuple[str, ...]:
    """The spellings of one value: a boolean in those of YAML and Python, a text also without blanks around it."""
    match value:
        case bool():
            return (json.dumps(value), str(value))
        case str():
            return tuple(dict.fromkeys((*spellings.truth_spellings(value), value.strip())))
        case None:
            return ("null", "None")
        case list() | tuple():
            return _whole(value)
        case Mapping():
            return (json.dumps(value, ensure_ascii=False, default=str),)
        case _:
            return spellings.truth_spellings(str(value))


def _strings(value: Any) -> tuple[str, ...]:
    """The texts of a value, its parts included."""
    match value:
        case str():
            return (value,)
        case list() | tuple():
            return tuple(text for one in cast("Iterable[Any]", value) for text in _strings(one))
        case Mapping():
            return tuple(text for one in cast("Mapping[Any, Any]", value).values() for text in _strings(one))
        case _:
            return ()


# --- paths ---------------------------------------------------------------------------------------------------------


def _paths(effect: Effect, known: Module | None, name: str, names: list[str], *, also_written: bool) -> Values:
    def as_written(path: str, *, spell: Callable[[str], str] = paths.normal) -> tuple[str, ...]:
        return (spell(path),) if also_written or path not in effect.resolved else ()

    lists = known.lists if known is not None else ()
    given = [path for one in names for path in _split(effect.params[one], is_list=one in lists)]
    if known is None:
        # Of a module that is not known, everything that has a slash may be a path that it writes.
        given = [text for text in _strings(list(effect.params.values())) if _may_be_path(text)]
    items = [item for path in given for item in _spelled(effect, path)]
    more: list[str] = []
    trees: list[str] = []
    named = _file_name(effect, known)
    if known is not None and _observes(effect):
        read = [path for one in known.read_trees if one in names for path in _strings(effect.params[one])]
        trees += [
            text for path in read for text in (*as_written(path), *(item[0] for item in _spelled(effect, path)))
        ]
    for path in given:
        if named:
            # Also if the path is no directory: it may be one when the call begins.
            more += [text for item in _spelled_inside(effect, path, named) for text in item]
        if path in effect.resolved:
            more += (*as_written(path), *as_written(path, spell=str))
        if _changes_all_below(effect, known):
            trees += [*as_written(path), *(item[0] for item in _spelled(effect, path))]
    visible: list[str] = []
    globs: list[str] = []
    folders: list[str] = []
    is_complete = True
    if GENERAL.get(name) is Meaning.PATH:
        found = _command_paths(effect, known)
        is_complete = found.is_complete and not written.leaves_home(effect)
        for path in found.paths:
            spelled = _spelled(effect, path)
            items += spelled
            more += as_written(path)
            places = [item[0] for item in spelled]
            visible += [*places, *filter(None, map(paths.known_part, (*as_written(path, spell=str), *places)))]
        globs = [paths.normal(path) for path in found.paths if is_expanded(path)]
        is_complete &= sum(map(size, globs)) <= TOKENS_LIMIT
        for path in written.named_files(effect, known):
            spelled = _spelled(effect, path)
            items += spelled
            more += as_written(path)
            trees += [item[0] for item in spelled] if _changes_all_below(effect, known) else []
        for path in written.default_files(effect, known):
            folder = path.removesuffix("/*")
            places = [*as_written(folder, spell=str), *(text for item in _spelled(effect, folder) for text in item)]
            more += [f"{one}/*" for one in places] if folder != path else places
            folders += places if folder != path else []
        for path in written.linked(effect):
            more += [*as_written(path), *(text for item in _spelled(effect, path) for text in item)]
    return Values(
        items=tuple(items),
        more=tuple(more),
        trees=tuple(trees),
        visible=tuple(visible),
        globs=tuple(globs),
        folders=tuple(folders),
        is_complete=is_complete,
        meaning=Meaning.PATH,
    )


def _may_be_path(text: str) -> bool:
    return "/" in text or text.startswith(("~", "$"))


def _spelled(effect: Effect, path: str) -> tuple[tuple[str, ...], ...]:
    """The places to which the path leads on the host; else the path in normal form, and as it is written."""
    resolved = effect.resolved.get(path)
    if resolved is not None:
        return tuple((one.rstrip("/") or "/",) for one in resolved)
    return (tuple(dict.fromkeys((paths.normal(path.strip()), path))),)


def _spelled_inside(effect: Effect, path: str, name: str) -> tuple[tuple[str, ...], ...]:
    """A file in a directory: where the host has found it, else in the places to which the directory leads."""
    inside = f"{path.rstrip('/')}/{name}"
    places = effect.resolved.get(path)
    if places and not effect.resolved.get(inside):
        return tuple((f"{one.rstrip('/')}/{name}",) for one in places)
    return _spelled(effect, inside)


def _split(value: Any, *, is_list: bool) -> tuple[str, ...]:
    if isinstance(value, str) and is_list and "," in value:
        return tuple(value.split(","))
    return _strings(value) if isinstance(value, str | list | tuple) else (str(value),)


def _file_name(effect: Effect, known: Module | None) -> str:
    """The name of the file that is written if the destination is a directory."""
    if known is None or not known.files_of:
        return ""
    given = effect.params.get(known.files_of)
    source = "" if given is None else str(given).partition("?")[0]
    name = posixpath.basename(source.rstrip("/"))
    return name.removesuffix(".j2") if known.name == "template" else name


def _changes_all_below(effect: Effect, known: Module | None) -> bool:
    if known is None or not known.trees:
        return False
    params = effect.params
    return "" in known.trees or is_given(known, params, known.trees) or params.get("state") in known.trees


# --- commands ------------------------------------------------------------------------------------------------------


def _command_texts(effect: Effect, known: Module | None, names: Iterable[str]) -> Iterator[str]:
    for one in names:
        value = effect.params.get(one)
        if isinstance(value, list | tuple):
            listed = [str(item) for item in cast("Iterable[Any]", value)]
            yield from (" ".join(listed), shlex.join(listed))
            if known is not None and one not in {"argv", *known.commands[:1]}:
                yield from listed
        elif isinstance(value, Mapping):
            yield from _strings(value)
        elif value is not None:
            yield str(value)


def _commands(effect: Effect, known: Module | None, names: list[str]) -> Values:
    items: list[tuple[str, ...]] = []
    more: list[str] = []
    is_complete = True
    for one in names:
        found = list(_command_texts(effect, known, (one,)))
        for text in found[:1] if isinstance(effect.params[one], list | tuple) else found:
            items.append(tuple(dict.fromkeys((text, text.strip()))))
        value = effect.params[one]
        if known is not None and one == "argv" and isinstance(value, list | tuple):
            each = [commands.executed_commands([str(word) for word in cast("Iterable[Any]", value)])]
        else:
            each = list(map(commands.simple_commands, found))
        is_complete &= None not in each
        more += [*found, *(text for simple in each for text in simple or ())]
        if isinstance(value, list | tuple | Mapping):
            more.append(json.dumps(value, ensure_ascii=False, default=str))
    base = effect.params.get(known.base) if known is not None and known.base else None
    if base:
        more += [f"cd {base} && {texts[0]}" for texts in items]
    return Values(
        items=tuple(items), more=tuple(dict.fromkeys(more)), is_complete=is_complete, meaning=Meaning.COMMAND
    )


def _command_paths(effect: Effect, known: Module | None) -> paths.PathWords:
    """What in the commands of the effect may be a path."""
    if known is None:
        return paths.PathWords([], is_complete=True)
    names = covered_parameters(known.name, "cmd")
    base = str(effect.params.get(known.base) or "") if known.base else ""
    found = [paths.path_words(text, base) for text in _command_texts(effect, known, names)]
    every = list(dict.fromkeys(path for one in found for path in one.paths))
    is_complete = all(one.is_complete for one in found) and len(every) <= paths.PATHS_LIMIT
    return paths.PathWords(every[: paths.PATHS_LIMIT], is_complete)
