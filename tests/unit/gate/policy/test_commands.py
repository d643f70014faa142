"""Simple commands of command lines: what precedes a program, and what is only an argument."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st

from ftl2_enterprise.gate.policy import commands, shell_words


@pytest.mark.parametrize(
    "command",
    [
        "touch x",
        "(touch x)",
        "{ touch x; }",
        "A=1 B='c d' touch x",
        "sudo touch x",
        "sudo -u bob -E touch x",
        "/usr/bin/env -i A=1 touch x",
        "timeout -k 5 10s touch x",
        "A=1 " * 1000 + "touch x",
        "make &>/dev/null && touch x",
        "! touch x",
        "if true; then touch x; fi",
        "while ! /bin/touch x; do :; done",
        "case x in x) touch x;; esac",
        ">/dev/null touch x",
        "> /dev/null touch x",
        "2>/dev/null touch x",
        "2>&1 touch x",
        "echo $(touch x)",
        'echo "`touch x`"',
        "`touch x`",
        "exec touch x",
        "cat <(touch x)",
        "timeout 0.5 touch x",
        "timeout .5s touch x",
        "timeout -k 1.5 +2.m touch x",
        "timeout 1e3 touch x",
        "timeout 0x1p2 touch x",
        "timeout 0,5 touch x",
        "timeout --signal KILL infinity touch x",
        "nice -n -5 touch x",
        "nice -n +5 touch x",
        "nice -5 touch x",
        "nice --adjustment=5 touch x",
        "ionice -c 2 -n 7 -t touch x",
        "ionice -c best-effort touch x",
        "stdbuf -o L -e0 touch x",
        "chrt -f 10 touch x",
        "chrt --batch 0 touch x",
        "taskset 0x3 touch x",
        "taskset ff touch x",
        "taskset -c 0,2-3 touch x",
        "setpriv --reuid 0 --clear-groups -- touch x",
        "flock /run/lock touch x",
        "flock -w 0.5 /run/lock touch x",
        "flock -n /run/lock -c 'touch x'",
        "xargs -n 1 -P 4 touch x",
        "xargs -0 -I {} touch x",
        "nsenter -t 1 -m -- touch x",
        "nsenter --target 1 --mount touch x",
        "chroot / touch x",
        "chroot --userspec=bob:bob / touch x",
        "runuser -u bob -- touch x",
        "runuser bob -c 'touch x'",
        "su - bob -c 'touch x'",
        "doas -u bob touch x",
        "setarch x86_64 -R touch x",
        "systemd-run --wait -p Nice=5 touch x",
        "sh -c 'touch x'",
        "sudo bash -ec 'true; touch x'",
        "sh -c '/bin/touch x'",
        "sh -c \"sh -c 'sudo /bin/touch x'\"",
        "su bob -c'touch x'",
        "su --command='/bin/touch x' bob",
        "env -S'touch x'",
        "env --split-string=touch' x'",
        "env -Stouch' ' x",
        "env '-S touch x'",
        "script -qc'touch x' /dev/null; env -S'-i touch x'",
        "find / -name y -exec touch x ';'",
        "find / -execdir /bin/touch x \\;",
        "find / -ok sudo touch x \\;",
        "{touch,x}",
        "A=1 {/bin/touch,x}; true",
        "bash -c '{touch,x}'",
        "{touch,x}>/dev/null",
        "tou{ch,} x",
        "{to,}{uch,} x",
        "{touch,x,{-r,-f}}",
        "{'touch','x'}",
        "to''{uch,} x",
        "sh -c 'A=1 touch x'",
        "eval 'A=1 touch x'",
        "script -c 'A=1 touch x' /dev/null",
        "script /dev/null -c 'touch x'",
        "env -S'A=1 touch x'",
        "A='a;b' touch x",
        "A=a\\;b touch x",
        ">'a;b' touch x",
        "env -u 'a;b' touch x",
        "sh -c 'A=\"a;b\" touch x'",
        "sh +e -c 'touch x'",
        "bash +O extglob -c 'touch x'",
        ">|/dev/null touch x",
        "{fd}>/dev/null touch x",
        "env A-B=1 touch x",
        "env 'A B=1' touch x",
        "timeout ' 5' touch x",
        "function f { touch x; }; f",
        "coproc N { touch x; }",
        "A[1]=1 touch x",
        "rbash -c 'touch x'",
        "choom -n 5 -- touch x",
        f"timeout {'1' * 100} touch x",
        "sh -c 'touch x; true'",
        "to\\\nuch x",
        "echo a # b \\\nto\\\nuch x",
        "echo \\\\\nto\\\nuch x",
        "$'touch' x",
        r"$'\x74ouch' x",
        '$"touch" x',
    ],
)
def test_a_command_is_found_after_what_precedes_it(command: str) -> None:
    assert any(f"{one} ".startswith("touch x ") for one in commands.simple_commands(command) or ())


@pytest.mark.parametrize(
    "command",
    [
        "echo touch x",
        "sudo rm touch x",
        "apt install touch x",
        "echo -n touch x",
        "timeout 5 echo touch x",
        "sh -c 'echo touch x'",
        "echo {touch,x}",
        "grep -e'touch x' y",
        "echo 'touch x'",
    ],
)
def test_arguments_are_no_commands(command: str) -> None:
    assert "touch x" not in (commands.simple_commands(command) or ())


@given(st.text(st.sampled_from("ab1=-<>&|;(){}`$!'\"# \n"), max_size=60))
def test_each_command_of_any_text_is_found(command: str) -> None:
    found = commands.simple_commands(command)
    assume(found is not None)
    assert found is not None
    simple = [one for one in command.splitlines() if not set(one) & set(";|&")]
    assert all(" ".join(shell_words.words(one)) in found for one in simple if shell_words.words(one))
