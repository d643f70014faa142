"""Ctrl-C is neither lost nor a traceback, whenever it comes.

While a command loads, where the interpreter has no way to report it; in a command's call; many at once to a run.
"""

from __future__ import annotations

import signal
import subprocess
import sys

# The import system has such callbacks: what is raised in them is printed and forgotten.
INTERRUPTED_IN_A_CALLBACK = """
import os, signal, sys, weakref
from ftl2_enterprise.entrypoints import loading

class Module: pass

def load():
    one = Module()
    mark = weakref.ref(one, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del one
    return lambda: print("the program runs") or 0

if sys.argv[1] == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.exit(loading.main_of(load))
"""
IN_THE_PROGRAM = """
import os, signal, sys
from ftl2_enterprise.entrypoints import loading

sys.exit(loading.main_of(lambda: lambda: os.kill(os.getpid(), signal.SIGINT) or 0))
"""
BY_A_LIBRARY_THAT_CATCHES_EVERYTHING = """
import os, signal, sys, threading
from ftl2_enterprise.core import interrupt

def tries():
    with interrupt.Fatal():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except:
            pass
    print("the program runs")

match sys.argv[1]:
    case "imported":
        tries()
    case "in a thread":
        thread = threading.Thread(target=tries)
        try:
            thread.start()
            thread.join()
        except KeyboardInterrupt:
            print("raised")
        thread.join()
    case "heard":
        signal.signal(signal.SIGINT, lambda *_: print("heard"))
        tries()
    case "after":
        with interrupt.Fatal():
            pass
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("raised")
"""
DIRTY = """
import sys
import msgspec
from ftl2_enterprise.cli import main as cli
from ftl2_enterprise.cli.commands.loops import status

def interrupted(*_, **__):
    try:
        raise KeyboardInterrupt
    finally:
        raise RuntimeError("the connection cannot be used any more")

status.COMMAND = msgspec.structs.replace(status.COMMAND, run=interrupted)
sys.exit(cli.main(["status"]))
"""
STORM = """
import asyncio, os, signal
from ftl2_enterprise.cli.loops import run_foreground
from ftl2_enterprise.cli.loops.progress import SilentProgress
from ftl2_enterprise.loops.ports import StopSignal

async def storm():
    stop = StopSignal()
    run_foreground.hear(asyncio.get_running_loop(), stop, SilentProgress())
    for _ in range(5_000):
        os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(stop.requested.wait(), 20)
    print("stops")

asyncio.run(storm())
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_it_ends_the_process_and_leaves_no_traceback() -> None:
    ended = python(INTERRUPTED_IN_A_CALLBACK, "heard")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_an_interrupt_is_not_lost_where_a_library_catches_every_exception() -> None:
    ended = python(BY_A_LIBRARY_THAT_CATCHES_EVERYTHING, "imported")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_another_way_of_handling_interrupts_is_kept() -> None:
    for how, output in {"heard": "heard\nthe program runs\n", "after": "raised\n"}.items():
        ended = python(BY_A_LIBRARY_THAT_CATCHES_EVERYTHING, how)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, output, "")
    ended = python(BY_A_LIBRARY_THAT_CATCHES_EVERYTHING, "in a thread")
    assert ended.returncode == 0
    assert "raised" in ended.stdout
    assert "the program runs" in ended.stdout


def test_an_ignored_interrupt_stays_ignored() -> None:
    ended = python(INTERRUPTED_IN_A_CALLBACK, "ignored")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the program runs\n", "")


def test_the_program_itself_receives_the_interrupt() -> None:
    ended = python(IN_THE_PROGRAM)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_more_interrupts_than_there_is_room_for_print_nothing() -> None:
    ended = python(STORM)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "stops\n", "")


def test_an_error_caused_by_an_interrupt_is_no_defect() -> None:
    ended = python(DIRTY)
    assert (ended.returncode, ended.stdout, ended.stderr) == (6, "", "stopped\n")
