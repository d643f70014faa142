"""Ctrl-C while a command loads, at a moment that the interpreter has no way to tell of it."""

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


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_it_ends_the_process_and_leaves_no_traceback() -> None:
    ended = python(INTERRUPTED_IN_A_CALLBACK, "heard")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_who_said_that_it_is_not_to_be_interrupted_is_heeded() -> None:
    ended = python(INTERRUPTED_IN_A_CALLBACK, "ignored")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the program runs\n", "")


def test_the_program_itself_hears_it_as_ever() -> None:
    ended = python(IN_THE_PROGRAM)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
