"""A process that forks readers, with readings that misbehave."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.supervisor.readers import process
from ftl2_enterprise.supervisor.readers.messages import Reading


def _echo(text: str, argument: str) -> str:
    return f"{argument}: {text}"


def _refuse(text: str, argument: str) -> str:
    raise invalid(f"cannot read {text}", "hint")


def _crash(text: str, argument: str) -> str:
    raise KeyError(text)


def _grow(text: str, argument: str) -> str:
    return text * 4_000_000_000


def _nest(text: str, argument: str) -> str:
    return _nest(text, argument)


def _hang(text: str, argument: str) -> str:
    """Start programs in new sessions, note their ids, and wait longer than any test."""
    started = [subprocess.Popen(["sleep", "1000"], start_new_session=True).pid for _ in range(3)]
    with open(text, "w") as file:  # noqa: PTH123
        file.write(" ".join(map(str, [os.getpid(), *started])))
    os.rename(text, f"{text}.done")  # noqa: PTH104
    time.sleep(1000)
    return text


def _leave(text: str, argument: str) -> str:
    """Leave a program that is an orphan already."""
    command = f"setsid sh -c 'echo $$ > {text}; exec sleep 1000' & while ! test -s {text}; do :; done"
    subprocess.run(["sh", "-c", command], check=True)
    return text


def _of(name: str) -> str:
    return f"the text {name}"


READINGS = {
    work.__name__.removeprefix("_"): Reading(
        name=work.__name__.removeprefix("_"), takes=str, gives=str, work=work, names=_of
    )
    for work in (_echo, _refuse, _crash, _grow, _nest, _hang, _leave)
}

if __name__ == "__main__":
    process.serve(socket.socket(fileno=int(sys.argv[1])), READINGS)
