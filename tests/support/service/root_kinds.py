"""Children that do what a test wants, and a control that a test speaks through; executed as root's forkserver."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.supervisor.forkserver import main as forkserver
from ftl2_enterprise.supervisor.forkserver.child_start import First

if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext, Order

RELAY = "TEST_RELAY"
FAIL = "TEST_FORKSERVER"
SCHEMA = "TEST_SCHEMA"
"""A variable with the path of a file that contains the schema which the forkserver's program needs."""


def control(context: ChildContext) -> int:
    """Pass every message on to the test, and every message of the test on to root."""
    root = socket.socket(fileno=context.descriptors["root"])
    listener = socket.socket(fileno=context.descriptors["control"])
    test = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    test.connect(os.environ[RELAY])
    test.send(json.dumps({"pid": os.getpid(), "argument": context.argument}).encode())
    poll = select.poll()
    for end in (root, test, listener):
        poll.register(end, select.POLLIN)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    while True:
        ready = poll.poll(20)
        if asked and not [fd for fd, _ in ready if fd != listener.fileno()]:
            return 0
        for fd, _ in ready:
            if fd == listener.fileno():
                client, _ = listener.accept()
                client.sendall(b"%d\n" % os.getpid())
                client.close()
            elif fd == root.fileno():
                data, fds, _, _ = socket.recv_fds(root, 1 << 17, 1)
                if not data:
                    return 3
                if fds:
                    poll.unregister(listener)
                    listener = socket.socket(fileno=fds[0])
                    poll.register(listener, select.POLLIN)
                test.send(data)
            elif not (data := test.recv(1 << 17)):
                return 4
            elif data == b"deaf":
                poll.unregister(root)
            elif data == b"hopeless":
                return 78
            else:
                root.send(data)


def writer(context: ChildContext) -> int:
    """Send its pid to each client."""
    listener = socket.socket(fileno=context.descriptors["writer"])
    listener.settimeout(None)
    while True:
        client, _ = listener.accept()
        client.sendall(b"%d\n" % os.getpid())
        client.close()


def loop(context: ChildContext) -> int:
    """Do what the words of the argument request, one after the other."""
    began = time.monotonic_ns()
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    signal.signal(signal.SIGUSR1, lambda *_: print("woken", flush=True))
    for word in context.argument.split():
        what, _, value = word.partition("=")
        match what:
            case "print":
                print(f"{value} {os.getpid()}", flush=True)
            case "stamp":
                Path(value).write_text(f"{began} {os.getpid()}")
            case "exit":
                return int(value)
            case "raise":
                raise RuntimeError(value)
            case "stubborn":
                signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
            case "safe_point":
                Path(value).touch()
                while not asked:
                    time.sleep(0.005)
                return 0
            case "second":
                Path(value).touch()
                while len(asked) < 2:
                    time.sleep(0.005)
                return 9
            case "family":
                family(value)
            case "hold":
                hold_the_lock()
            case _:
                raise ValueError(word)
    while not asked or "stubborn" in context.argument:
        time.sleep(0.02)
    return 0


def idle(_: ChildContext) -> int:
    """Nothing at all."""
    signal.pause()
    return 0


def family(mark: str) -> None:
    """Helpers of every sort: a child, one in its own session, an orphan, and one that forks all the time."""
    shell = "import os,time,sys; os.setsid() if {0} else 0; {1}; time.sleep(600)"
    for session, more in ((0, "0"), (1, "0"), (1, "os.fork() and os._exit(0)")):
        subprocess.Popen([sys.executable, "-ISEc", shell.format(session, more), mark])
    again = "import os,time\nfor _ in range(4000):\n os.fork() and os._exit(0)\n time.sleep(0.002)\ntime.sleep(600)"
    subprocess.Popen([sys.executable, "-ISEc", again, mark])


def hold_the_lock() -> None:
    """Let no other thread run, as a module in C may do."""
    sys.setswitchinterval(1000)
    while True:
        pass


class Kinds(dict[str, Any]):
    """Of one of them the forkserver ends as soon as it hears."""

    def __contains__(self, kind: object) -> bool:
        if kind == "poison":
            os._exit(9)
        return super().__contains__(kind)


def warm_up() -> None:
    """Fail as the test asks for it."""
    failure = os.environ.get(FAIL, "")
    if failure == "threads":
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    elif failure.startswith("/") and Path(failure).exists():
        sys.exit(int(Path(failure).read_text() or 9))


def note(order: Order, what: str) -> None:
    """Add a line about the child to the file that is its argument."""
    with Path(order.argument).open("a") as file:
        file.write(f"{what} {order.key}\n")


def claim_for_long(order: Order) -> None:
    """Claim something from a process that does not answer, as the writer of a killed root."""
    note(order, f"claims {os.getpid()}")
    time.sleep(600)


FIRSTS = {
    "stuck": First(claim=claim_for_long, prepare=lambda order, _: None),
    "polite": First(
        claim=lambda order: note(order, "claimed"),
        prepare=lambda order, _: note(order, "prepared"),
    ),
}
KINDS = {"control": control, "writer": writer, "loop": loop, "idle": idle, "polite": idle, "stuck": idle}


if __name__ == "__main__":
    schema = Path(os.environ.get(SCHEMA, os.devnull)).read_text()
    sys.exit(forkserver.serve(Kinds(KINDS), warm_up, FIRSTS, schema=schema))
