"""Steps made ready: their hosts, what their templates read, and the checks that follow from their actions."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.adapters.deciders.manifest import file_checks, template as manifest_template
from ftl2_enterprise.adapters.deciders.manifest.file_checks import Want
from ftl2_enterprise.adapters.deciders.manifest.template import NOTHING, CannotRender, References
from ftl2_enterprise.protocol.loops.decision import Operator
from ftl2_enterprise.protocol.loops.manifest import (
    CopyParams,
    Expect,
    FileParams,
    FileState,
    Look,
    Manifest,
    Step,
    StepCheck,
    TemplateParams,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ftl2_enterprise.adapters.deciders.manifest.yaml_lines import Document, Where
    from ftl2_enterprise.core.problem import Problem

type Derivable = FileParams | CopyParams | TemplateParams

_DERIVABLE: dict[str, type[Derivable]] = {"file": FileParams, "copy": CopyParams, "template": TemplateParams}
_NOT_FOR_LOOKING = "observations are made before anything is decided, so they cannot read what was observed"


@dataclass(frozen=True, kw_only=True)
class Work:
    """One action of a step. `own` is given where a check follows from it."""

    where: Where
    module: str
    params: Mapping[str, Any]
    own: Derivable | None = None
    text: str | None = None
    """The file that a copy or template names, as read when the manifest was loaded."""
    reason: str | None = None
    reads: References = NOTHING


@dataclass(frozen=True, kw_only=True)
class PreparedLook:
    """A named observation, ready to be made."""

    where: Where
    look: Look
    targets: tuple[str, ...]
    reads: References


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A step, ready to be decided."""

    where: Where
    step: Step
    targets: tuple[str, ...]
    works: tuple[Work, ...]
    check: StepCheck | None
    """What was written; None when the check follows from the actions."""
    expect: tuple[Expect, ...]
    when_reads: References
    look_reads: References
    """What has to be known to look."""
    check_reads: References
    """What has to be known to judge what was seen."""
    work_reads: References
    """What has to be known to act."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a step is checked against."""

    document: Document
    manifest: Manifest
    directory: Path
    vars: Mapping[str, Any]
    looks: tuple[PreparedLook, ...] = ()

    @property
    def early(self) -> dict[str, Any]:
        """What templates may read before anything is asked or observed."""
        return {"vars": self.vars, "manifest_dir": str(self.directory)}

    def problem(self, where: Where, what: str, hint: str | None = None) -> Problem:
        """Why the manifest cannot be used."""
        return self.document.problem(where, what, hint)


def prepare_look(context: Context, n: int) -> PreparedLook:
    """A named observation, checked. Raises Problem(invalid)."""
    look = context.manifest.observe[n]
    where = ("observe", n)
    reads = _reads(context, (*where, "params"), look.params)
    if reads.observed or "observed" in reads.names:
        raise context.problem((*where, "params"), f"the observation {look.name!r} reads observed", _NOT_FOR_LOOKING)
    return PreparedLook(where=where, look=look, targets=_targets(context, where, look.host), reads=reads)


def prepare(context: Context, n: int) -> Prepared:
    """A step, checked. Raises Problem(invalid)."""
    step = context.manifest.steps[n]
    where = ("steps", n)
    works = tuple(_works(context, where, step))
    for work in works:
        _check_early(context, work)
    looking, judging = _check_reads(context, where, step, works)
    when = _when_reads(context, where, step)
    work_reads = _all(work.reads for work in works)
    if looking.observed or "observed" in looking.names:
        raise context.problem(where, f"the step {step.name!r} reads observed in what it looks at", _NOT_FOR_LOOKING)
    return Prepared(
        where=where,
        step=step,
        targets=_targets(context, where, step.host),
        works=works,
        check=step.check,
        expect=_expectations(step.check),
        when_reads=_with_looks(context, when),
        look_reads=looking,
        check_reads=_with_looks(context, looking | judging),
        work_reads=_with_looks(context, work_reads),
    )


def _targets(context: Context, where: Where, host: str | list[str]) -> tuple[str, ...]:
    names = [host] if isinstance(host, str) else host
    try:
        rendered = [str(manifest_template.render(name, context.early)).strip() for name in names]
    except CannotRender as error:
        raise context.problem((*where, "host"), f"the host: {error}", "a host may read only vars") from None
    if not rendered or not all(rendered):
        raise context.problem((*where, "host"), "the host is empty")
    return tuple(dict.fromkeys(rendered))


def _works(context: Context, where: Where, step: Step) -> Iterable[Work]:
    ways = [name for name in ("file", "copy", "template", "action", "actions") if getattr(step, name)]
    if len(ways) != 1:
        what = f"has {' and '.join(f'`{way}`' for way in ways)}" if ways else "has nothing to do"
        hint = "give exactly one of file, copy, template, action and actions"
        raise context.problem(where, f"the step {step.name!r} {what}", hint)
    own = step.file or step.copy or step.template
    if own is not None:
        yield _derivable(context, (*where, ways[0]), ways[0], own, None)
        return
    several = step.actions if ways == ["actions"] else [step.action] if step.action else []
    for n, action in enumerate(several):
        place: Where = (*where, "actions", n) if ways == ["actions"] else (*where, "action")
        module = action.module.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
        kind = _DERIVABLE.get(module)
        if kind is None:
            reads = _reads(context, (*place, "params"), action.params)
            yield Work(where=place, module=action.module, params=action.params, reason=action.reason, reads=reads)
            continue
        known = [one.encode_name for one in msgspec.structs.fields(kind)]
        for key in action.params:
            if key not in known:
                close = get_close_matches(key, known, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]!r}?" if close else f"known parameters: {', '.join(known)}"
                raise context.problem((*place, "params", key), f"{module} has no parameter {key!r}", hint)
        try:
            own = msgspec.convert(action.params, kind)
        except msgspec.ValidationError as error:
            raise context.problem((*place, "params"), f"{module}: {str(error).split(' - at ')[0]}") from None
        yield _derivable(context, (*place, "params"), module, own, action.reason)


def _derivable(context: Context, where: Where, module: str, own: Derivable, reason: str | None) -> Work:
    params = {key: value for key, value in msgspec.to_builtins(own).items() if value is not None}
    reads = _reads(context, where, params)
    text = None
    match own:
        case FileParams() if own.state is FileState.LINK and own.src is None:
            raise context.problem(where, "a link needs `src`: where it leads")
        case FileParams():
            pass
        case CopyParams() if (own.content is None) == (own.src is None):
            raise context.problem(where, "copy needs exactly one of `content` and `src`")
        case CopyParams():
            text = _file(context, (*where, "src"), own.src) if own.src is not None else None
        case TemplateParams():
            text = _file(context, (*where, "src"), own.src)
            reads |= _file_reads(context, (*where, "src"), own, text)
    return Work(where=where, module=module, params=params, own=own, text=text, reason=reason, reads=reads)


def _file(context: Context, where: Where, src: str) -> str:
    try:
        name = str(manifest_template.render(src, context.early))
        return (context.directory / name).read_bytes().decode()
    except CannotRender as error:
        raise context.problem(where, f"src: {error}", "src may read only vars") from None
    except FileNotFoundError:
        raise context.problem(where, f"the file {src!r} does not exist in {context.directory}") from None
    except UnicodeDecodeError:
        raise context.problem(where, f"the file {src!r} is not UTF-8 text") from None
    except OSError as error:
        raise context.problem(where, f"the file {src!r} cannot be read: {error.strerror or error}") from None


def _file_reads(context: Context, where: Where, own: TemplateParams, text: str) -> References:
    try:
        reads = manifest_template.references(text)
    except CannotRender as error:
        raise context.problem(where, f"the template {own.src!r}: {error}") from None
    _refuse_unknown_names(context, where, reads, own.variables, within=f"the template {own.src!r} reads")
    return reads


def _check_reads(
    context: Context, where: Where, step: Step, works: tuple[Work, ...]
) -> tuple[References, References]:
    """What is read to look, and what is read to judge."""
    check = step.check
    if check is None:
        for work in works:
            if work.own is None:
                what = f"the step {step.name!r} has no check, and none follows from the module {work.module!r}"
                raise context.problem(where, what, "add `check:` with command, path or observe")
        paths = [str(work.params.get("path") or work.params.get("dest")) for work in works]
        return _reads(context, where, paths), _all(work.reads for work in works)
    place: Where = (*where, "check")
    ways = [name for name in ("observe", "command", "path") if getattr(check, name)]
    if len(ways) != 1:
        raise context.problem(place, "a check needs exactly one of `observe`, `command` and `path`")
    if check.path is None and (check.state is not None or check.mode is not None):
        raise context.problem(place, "`state` and `mode` belong to a check with `path`")
    if check.path is not None and check.expect:
        raise context.problem((*place, "expect"), "`expect` belongs to a check with `observe` or `command`")
    if check.observe is not None and not check.expect:
        raise context.problem(place, "a check with `observe` needs `expect`", "say what the observation should show")
    if check.path is not None:
        _check_want(context, place, check.path, check.mode)
    looked = [check.command, check.path, check.observe.params if check.observe else None]
    judged = [one.value for one in _expectations(check)]
    return _reads(context, place, looked), _reads(context, (*place, "expect"), judged)


def _expectations(check: StepCheck | None) -> tuple[Expect, ...]:
    if check is None:
        return ()
    if isinstance(check.expect, list):
        return tuple(check.expect)
    return tuple(Expect(path=path, op=Operator.EQUALS, value=value) for path, value in check.expect.items())


def _when_reads(context: Context, where: Where, step: Step) -> References:
    if isinstance(step.when, bool):
        return NOTHING
    try:
        reads = manifest_template.expression_references(step.when)
    except CannotRender as error:
        raise context.problem((*where, "when"), f"`when` of {step.name!r}: {error}") from None
    _refuse_unknown_names(context, (*where, "when"), reads, {}, within=f"`when` of {step.name!r} reads")
    return reads


def _reads(context: Context, where: Where, value: Any) -> References:
    try:
        reads = manifest_template.references(value)
    except CannotRender as error:
        raise context.problem(
            where, f"a template here: {error}", "write {% raw %} around text that is not one"
        ) from None
    _refuse_unknown_names(context, where, reads, {}, within="a template here reads")
    return reads


def _refuse_unknown_names(
    context: Context, where: Where, reads: References, more: Mapping[str, Any], *, within: str
) -> None:
    manifest = context.manifest
    roots = manifest_template.ROOTS | manifest_template.BUILT_IN | set(more)
    for used, known, prefix in (
        (reads.names, roots, ""),
        (reads.vars, manifest.vars.keys(), "vars."),
        (reads.answers, {question.key for question in manifest.questions}, "answers."),
        (reads.observed, {look.name for look in manifest.observe}, "observed."),
    ):
        for name in sorted(used - known):
            close = get_close_matches(name, sorted(set(known) - manifest_template.BUILT_IN), n=1, cutoff=0.5)
            hint = f"did you mean {prefix}{close[0]}?" if close else None
            if not prefix and name in manifest.vars:
                hint = f"did you mean vars.{name}?"
            raise context.problem(where, f"{within} {prefix}{name}, which does not exist", hint)


def _with_looks(context: Context, reads: References) -> References:
    """To read what was observed, what that observation reads has to be known too."""
    return _all([reads, *(look.reads for look in context.looks if look.look.name in reads.observed)])


def _all(several: Iterable[References]) -> References:
    total = NOTHING
    for one in several:
        total |= one
    return total


def _check_early(context: Context, work: Work) -> None:
    """Find a bad path or mode now if it does not depend on what is known only later."""
    if work.own is None:
        return
    key = "path" if "path" in work.params else "dest"
    _check_want(context, (*work.where, key), work.params[key], work.params.get("mode"))


def _check_want(context: Context, where: Where, path: str, mode: str | int | None) -> None:
    for value, check in ((path, path_fault), (mode, mode_fault)):
        reads = _reads(context, where, value)
        if value is None or reads.names - manifest_template.EARLY - manifest_template.BUILT_IN:
            continue
        try:
            fault = check(manifest_template.render(value, context.early))
        except CannotRender as error:
            fault = str(error)
        if fault:
            raise context.problem(where, fault)


def path_fault(path: Any) -> str | None:
    """Why something cannot be a path on a host, or None."""
    if not isinstance(path, str) or not path.startswith("/"):
        return f"the path {path!r} is not absolute"
    if any(ord(character) < 32 for character in path):
        return f"the path {path!r} has control characters"
    return None


def mode_fault(mode: Any) -> str | None:
    """Why something cannot be permissions, or None."""
    if mode is not None and file_checks.octal(mode) is None:
        return f"the mode {mode!r} is not octal digits, as in 0644"
    return None


def wanted(work: Work, scope: Mapping[str, Any]) -> tuple[Want, dict[str, Any]]:
    """What an action's path should be, and the parameters that make it so. Raises CannotRender."""
    params: dict[str, Any] = manifest_template.render(dict(work.params), scope)
    path: Any = params["path"] if "path" in params else params["dest"]
    mode = params.get("mode")
    if fault := path_fault(path) or mode_fault(mode):
        raise CannotRender(fault)
    if mode is not None:
        params["mode"] = f"{file_checks.octal(mode):04o}"
    bits = file_checks.octal(mode) if mode is not None else None
    owner, group = params.get("owner"), params.get("group")
    if isinstance(work.own, FileParams):
        target = str(params["src"]) if "src" in params else None
        want = Want(path=path, state=work.own.state, mode=bits, owner=owner, group=group, target=target)
        return want, params
    content = _content(work, params, scope)
    placed = {key: params[key] for key in ("mode", "owner", "group") if key in params}
    want = Want(path=path, mode=bits, owner=owner, group=group, digest=file_checks.digest_of(content))
    return want, {"dest": path, "content": content, **placed}


def _content(work: Work, params: Mapping[str, Any], scope: Mapping[str, Any]) -> str:
    if isinstance(work.own, TemplateParams):
        try:
            return manifest_template.render_file(work.text or "", {**params.get("variables", {}), **scope})
        except CannotRender as error:
            raise CannotRender(f"the template {work.own.src!r}: {error}") from None
    return work.text if work.text is not None else str(params["content"])
