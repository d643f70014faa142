"""Executes one request on the managed machine. The reply has the output of the program, uninterpreted."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys

from ftl2_enterprise.adapters.hosts.remote import frames, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Request = dict[str, Any]

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _./:=@%+,-")
"""Characters that mean nothing to a shell, with the blank that separates words."""
IN_SHELLS = frozenset([
    ".", ":", "[", "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "chdir", "command",
    "compgen", "complete", "compopt", "continue", "coproc", "declare", "dirs", "disown", "do", "done", "echo",
    "elif", "else", "enable", "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for",
    "function", "getopts", "hash", "help", "history", "if", "in", "jobs", "kill", "let", "local", "logout",
    "mapfile", "newgrp", "popd", "print", "printf", "pushd", "pwd", "read", "readarray", "readonly", "return",
    "select", "set", "shift", "shopt", "sleep", "source", "suspend", "test", "then", "time", "times", "trap",
    "true", "type", "typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "whence", "while",
])  # fmt: skip
"""Builtins and reserved words of dash, bash, BusyBox and ksh: a program of the same name may behave differently."""
OF_SHELLS = frozenset(["IFS", "OPTIND", "PPID"])
"""Variables that a shell sets when it starts."""
OBSERVING_MEMORY = 1 << 30
"""Bytes of data of each process of an observing module."""


def perform(request: Request, cancel_fd: int | None = None) -> bytes:
    """Execute the request and pack the reply."""
    processes.adopt_orphans()
    skipped = _skip(request)
    if skipped is not None:
        return frames.pack({"skipped": skipped, "rc": 0, **({"fenced": True} if request.get("fence") else {})})
    if request.get("fence"):
        return _perform_fenced(request, cancel_fd)
    try:
        more = {"listable": _is_listable(request["lists"])} if "lists" in request else {}
        start = _start(request)
        ended = _run(request, start, cancel_fd)
    except (OSError, ValueError) as error:
        return frames.pack({"not_started": _reason(error)})
    return _reply(ended, by_shell=isinstance(start, processes.FirstOf) and start.is_first, **more)


def _perform_fenced(request: Request, cancel_fd: int | None) -> bytes:
    """Execute the request in the sandbox, or nothing when the host cannot build it."""
    try:
        from ftl2_enterprise.adapters.hosts.remote import sandbox  # noqa: PLC0415 - most calls need none
    except (ImportError, AttributeError) as error:
        return frames.pack({"not_fenced": f"the host cannot build the sandbox: {_reason(error)}"})
    if request["fence"] != "sandbox":
        return frames.pack({"not_fenced": f"the host has no fence {request['fence']!r}"})
    fence = sandbox.ReadOnlySandbox(
        lambda: _start(request, sandbox.clean_up_after_fork),
        hidden=request.get("hidden", ()), network=bool(request.get("network")),
        is_forked=request["kind"] not in {"command", "program"},
    )  # fmt: skip
    try:
        ended = _run(request, fence.start, cancel_fd)
        fence.finish(ended)
    except sandbox.CannotFence as error:
        return frames.pack({"not_fenced": str(error)})
    except sandbox.CannotStart as error:
        return frames.pack({"not_started": str(error), "fenced": True})
    except OSError as error:
        return frames.pack({"not_fenced": f"the host cannot build the sandbox: {_reason(error)}"})
    return _reply(ended, by_shell=fence.is_first, fenced=True)


def _run(request: Request, start: processes.Start, cancel_fd: int | None) -> processes.ProcessResult:
    return processes.run(
        start, stdin=_stdin(request), timeout=request["timeout"], limit=request["limit"], cancel_fd=cancel_fd
    )


def _reply(ended: processes.ProcessResult, *, by_shell: bool, **more: bool) -> bytes:
    if by_shell:
        _report_as_shell(ended)
    head = {
        **more,
        "rc": ended.rc,
        "dropped": [ended.dropped_stdout, ended.dropped_stderr],
        "timed_out": ended.timed_out,
        "cancelled": ended.cancelled,
    }
    return frames.pack(head, ended.stdout, ended.stderr)


def _report_as_shell(ended: processes.ProcessResult) -> None:
    """Report a signal that ended the program as a shell does that executed it (dash, bash)."""
    if ended.rc is None or ended.rc >= 0:
        return
    number = -ended.rc
    ended.rc = 128 + number
    if number not in {signal.SIGINT, signal.SIGPIPE}:
        ended.stderr += f"{signal.strsignal(number)}\n".encode()


def _start(request: Request, after_fork: Callable[[], object] = lambda: None) -> Callable[[int, int, int], int]:
    kind = request["kind"]
    if kind == "command":
        directory = request.get("chdir")
        cwd = None if directory is None else os.path.expanduser(directory)  # noqa: PTH111
        if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112
            raise ValueError(f"the directory {directory} does not exist")
        environment = _environment(request)
        by_shell = processes.executing(request["argv"], cwd=cwd, env=environment)
        plain = None if cwd else shell_free(request["argv"], environment)
        if plain is None:
            return by_shell
        return processes.FirstOf(processes.executing(plain.words, file=plain.file, env=plain.environment), by_shell)
    if kind == "program":
        _require_regular(request)
        return processes.executing(
            [request.get("interpreter") or sys.executable, request["path"]],
            before=_limit_observing if request.get("observes") else None,
        )
    work = {
        "ansible": _ansible,
        "native": _native,
        "observe": _observe,
        "put": _put,
        "render": _render,
        "resolve": _resolve,
    }[kind]

    def respond() -> None:
        after_fork()
        if request.get("observes"):
            _limit_observing()
        _respond(work, request)

    return processes.forking(respond)


class PlainCommand:
    """A command that needs no shell."""

    def __init__(self, file: str, words: list[str], environment: Mapping[str, str] | None) -> None:
        self.file = file
        """The program that a shell would find."""
        self.words = words
        self.environment = environment
        """None if it is the environment of this process."""


def shell_free(argv: Sequence[str], given: Mapping[str, str] | None = None) -> PlainCommand | None:
    """How a command for /bin/sh is executed without it; None when it may need a shell.

    It gets the given environment, or that of this process.

    It needs none when it consists of one program that is not built into a shell, and of words in which nothing is
    expanded or quoted. Executing it directly saves the start of the shell, which takes as long as a small program.
    """
    environment = os.environ if given is None else given
    if len(argv) != 3 or list(argv[:2]) != ["/bin/sh", "-c"] or "PATH" not in environment:
        return None
    words = argv[2].split(" ")
    program = words[0]
    if not program or program in IN_SHELLS or "=" in program or not PLAIN.issuperset(argv[2]):
        return None
    # A shell does not pass these on, or has its own, and bash as /bin/sh would call an exported function.
    if any(name in OF_SHELLS or not name.isidentifier() for name in environment):
        return None
    file = program if "/" in program else _found(program, environment["PATH"])
    directory = _directory(environment)
    if file is None or directory is None:
        return None
    # Copying the environment takes longer than everything else here, and the directory is hardly ever a new one.
    is_same = environment.get("PWD") == directory
    return PlainCommand(
        file, [word for word in words if word], given if is_same else {**environment, "PWD": directory}
    )


def _found(program: str, path: str) -> str | None:
    # Only the first one counts, as for a shell: execvpe(3) would try the next one after a script without `#!`.
    for directory in path.split(":"):
        if not directory.startswith("/"):
            return None  # a script would get another name in `$0`
        file = os.path.join(directory, program)  # noqa: PTH118
        if os.path.isfile(file) and os.access(file, os.X_OK):  # noqa: PTH113
            return file
    return None


def _directory(environment: Mapping[str, str]) -> str | None:
    """The working directory as a shell exports it: the given name if it is right, else the real one (POSIX, PWD)."""
    named = environment.get("PWD", "")
    try:
        is_right = named.startswith("/") and os.path.samefile(named, ".")  # noqa: PTH121
    except OSError:
        is_right = False
    try:
        return named if is_right else os.getcwd()  # noqa: PTH109
    except OSError:
        return None


def _stdin(request: Request) -> bytes:
    if request["kind"] == "program":
        return json.dumps({"ANSIBLE_MODULE_ARGS": request["params"]}).encode()
    return str(request.get("stdin") or "").encode("utf-8", "surrogateescape")


def _environment(request: Request) -> dict[str, str] | None:
    extra = request.get("environment")
    return {**os.environ, **extra} if extra else None


def _skip(request: Request) -> str | None:
    creates, removes = request.get("creates"), request.get("removes")
    if not creates and not removes:
        return None
    import glob  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    base = Path(request.get("chdir") or ".").expanduser()

    def exists(pattern: str) -> bool:
        return bool(glob.glob(str(base / Path(pattern).expanduser())))  # noqa: PTH207 - absolute patterns too

    if creates and exists(creates):
        return f"skipped, since {creates} exists"
    if removes and not exists(removes):
        return f"skipped, since {removes} does not exist"
    return None


def _is_listable(paths: Sequence[str]) -> bool:
    from ftl2_enterprise.adapters.hosts.remote import diffs  # noqa: PLC0415

    return all(diffs.is_listable(path) for path in paths)


def _require_regular(request: Request) -> None:
    """Refuse to read whole what may block or have no end, or is too large. Raises ValueError.

    The limit of memory covers a file that is exchanged afterwards.
    """
    import stat  # noqa: PLC0415

    for path in request.get("read_whole", ()):
        try:
            status = os.stat(os.path.expanduser(os.path.expandvars(path)))  # noqa: PTH111, PTH116
        except (OSError, ValueError):
            continue  # the module reports it in its own words
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise ValueError(f"cannot read {path}: it is not a regular file")
        if status.st_size > request["limit"]:
            raise ValueError(f"cannot read {path}: it is larger than {request['limit'] >> 20} MiB")


def _limit_observing() -> None:
    import resource  # noqa: PLC0415

    processes.limit({resource.RLIMIT_DATA: OBSERVING_MEMORY})


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


# --- in the forked process, whose standard streams are pipes -------------------------------------------------------


# Imports that only these need are local, or made by the helper before the fork, so that a helper starts quickly.


def _respond(work: Callable[[Request], dict[str, Any]], request: Request) -> None:
    import traceback  # noqa: PLC0415

    from ftl2_enterprise.adapters.hosts.remote import files  # noqa: PLC0415

    code = 0
    try:
        _require_regular(request)
        answer = work(request)
    except files.TransferFailed as error:
        answer = {"failed": True, "msg": str(error)}
    except OSError as error:
        answer = {"failed": True, "msg": _reason(error)}
    except SystemExit as stop:
        answer, code = None, stop.code if isinstance(stop.code, int) else 1
    except BaseException as error:  # anything that a module raises is its result
        if type(error).__name__ != "FTLModuleError":  # its message is a sentence for people
            traceback.print_exc()
        answer = {"failed": True, "msg": _reason(error)}
    if answer is not None:
        sys.stdout.write(json.dumps(answer, default=str, skipkeys=True))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _put(request: Request) -> dict[str, Any]:
    from ftl2_enterprise.adapters.hosts.remote import files  # noqa: PLC0415

    return files.put(request)


def _observe(request: Request) -> dict[str, Any]:
    from ftl2_enterprise.adapters.hosts.remote.observing import subjects  # noqa: PLC0415

    return subjects.observe(request["module"], request["params"])


def _resolve(request: Request) -> dict[str, Any]:
    """Where paths lead, as modules expand them: without any link; and without a link in the directories only.

    A directory ends with a slash. Nothing is changed, and a path does not have to exist.
    """
    found: dict[str, list[str]] = {}
    for path in request["paths"]:
        expanded: str = os.path.expanduser(os.path.expandvars(path))  # noqa: PTH111
        real: str = os.path.realpath(expanded)
        parent, name = os.path.split(expanded.rstrip("/"))
        is_directory = os.path.isdir(real) and real != "/"  # noqa: PTH112
        places = [f"{real}/" if is_directory else real]
        if name not in {"", ".", ".."}:
            places.append(f"{os.path.realpath(parent).rstrip('/')}/{name}")
        found[path] = list(dict.fromkeys(places))
    return {"changed": False, "resolved": found}


def _render(request: Request) -> dict[str, Any]:
    """Render a template; only on the machine that the loop runs on, where the whole package is installed."""
    import base64  # noqa: PLC0415

    from ftl2_enterprise.adapters.hosts.remote import diffs, files  # noqa: PLC0415

    included: list[str] = []
    parameters: Any = importlib.import_module("ftl2_enterprise.adapters.templates.parameters")
    parameters.limit_process()
    try:
        text = parameters.render(
            request["template"], request["variables"], name=request["name"], directory=request["directory"],
            options=request["options"], included=included,
        )  # fmt: skip
    except parameters.CannotRender as error:
        raise files.TransferFailed(str(error)) from error
    return {
        "content": base64.b64encode(text.encode("utf-8", "surrogateescape")).decode(),
        "includes_private": not all(map(diffs.is_public, included)),
    }


def _native(request: Request) -> dict[str, Any]:
    """Call one of FTL2's own modules, which are functions."""
    import asyncio  # noqa: PLC0415
    import inspect  # noqa: PLC0415

    from ftl2_enterprise.adapters.hosts.remote import files  # noqa: PLC0415

    module: Any = importlib.import_module(f"ftl2.ftl_modules.{request['module']}")
    function = getattr(module, request["function"])
    accepted = inspect.signature(function).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values()):
        strange = sorted(set(request["params"]) - set(accepted))
        if strange:
            raise files.TransferFailed(
                f"cannot use the parameter {strange[0]}: the module takes {', '.join(sorted(accepted))}"
            )
    result = function(**request["params"])
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _ansible(request: Request) -> dict[str, Any]:
    """Run an Ansible-style module file in this fork; its library was imported before the fork."""
    import runpy  # noqa: PLC0415

    basic: Any = importlib.import_module("ansible.module_utils.basic")
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": request["params"]}).encode()
    # "legacy" is the module library's profile for plain JSON arguments, in versions that have profiles.
    if hasattr(basic, "_ANSIBLE_PROFILE"):
        basic._ANSIBLE_PROFILE = "legacy"
    # Modules put captured bytes into their failures, which cannot be encoded as JSON.
    encoder: Any = json.JSONEncoder
    encoder.default = _encode
    sys.argv = [request["path"]]
    _open_collections(request.get("collection"), request.get("collection_roots", []))
    runpy.run_path(request["path"], run_name="__main__")
    raise SystemExit(0)


def _open_collections(collection: str | None, roots: list[str]) -> None:
    """Let the modules of a collection import its library from all directories where it is installed."""
    import types  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    parts = ("ansible_collections." + collection).split(".") if collection else []
    for depth in range(1, len(parts) + 1):
        package = types.ModuleType(".".join(parts[:depth]))
        places = [Path(root, *parts[:depth]) for root in (*roots, *sys.path)]
        package.__path__ = [str(place) for place in places if place.is_dir()]
        sys.modules[package.__name__] = package


def _encode(_: object, value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
