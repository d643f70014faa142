"""Paths and programs that a shell makes of expansions, of links of the kernel, and of options without a blank."""

from __future__ import annotations

import time

import pytest

from ftl2_enterprise.gate.verdicts import Ruling
from tests.unit.gate.policy.test_decisions import judge, policy

PATHS = [policy(("deny", {"param.path": "/srv/secret/*"}))]


def ruling(command: str) -> Ruling:
    return judge(PATHS, "shell", cmd=command).ruling


@pytest.mark.parametrize(
    "command",
    [
        "touch$IFS/srv/secret/x",
        "touch${IFS}/srv/secret/x",
        "touch${IFS%?}/srv/secret/x",
        "touch$IFS$9/srv/secret/x",
        "x=' '; touch$x/srv/secret/x",
        "touch /opt/$IFS/srv/secret/x",
        "x='a '; touch /opt/$x/srv/secret/x",
        "touch $unset/srv/secret/x",
        "$unset touch /srv/secret/x",
    ],
)
def test_an_expansion_may_be_a_blank(command: str) -> None:
    assert ruling(command) is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [
        "touch ${x-/srv/secret/x}",
        "touch ${x:-/srv/secret/x}",
        "touch ${x=/srv/secret/x}",
        "touch ${x:=/srv/secret/x}",
        "touch ${x+/srv/secret/x}",
        "touch ${x:+/srv/secret/x}",
        "touch ${x?/srv/secret/x}",
        "touch ${1-/srv/secret/x}",
        "touch ${@-/srv/secret/x}",
        "touch ${x[0]-/srv/secret/x}",
        "touch ${x:-'/srv/secret/x'}",
        'touch "${x:-/srv/secret/x}"',
        "touch ${x-${y-/srv/secret/x}}",
        "touch ${x-/srv}/secret/x",
        "touch ${x-/srv/sec}ret/x",
        "touch ${x-/s}rv/secret/x",
        "touch ${x/*//srv/secret/x}",
        "touch ${x//a//srv/secret/x}",
        "cd ${x-/srv}; touch secret/x",
        "sh -c 'touch ${x-/srv/secret/x}'",
    ],
)
def test_the_word_of_an_expansion_is_a_word(command: str) -> None:
    assert ruling(command) is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [
        "touch /proc/self/root/srv/secret/x",
        "touch /proc/1/root/srv/secret/x",
        "touch /proc/$$/root/srv/secret/x",
        "touch /proc/$PPID/root/srv/secret/x",
        "touch /proc/$(pidof init)/root/srv/secret/x",
        "touch /proc/`pidof init`/root/srv/secret/x",
        "touch /proc/${x}/root/srv/secret/x",
        "touch /proc/[0-9]*/root/srv/secret/x",
        "touch /proc/*/root/srv/secret/x",
        "touch /proc/self/task/$$/root/srv/secret/x",
        "touch /proc/thread-self/root/srv/secret/x",
        "touch /proc/./self//root/srv/secret/x",
        "touch /proc/1/root/../srv/secret/x",
        "touch /srv/../proc/1/root/srv/secret/x",
        "touch /pr*/$$/ro*t/srv/secret/x",
        "touch /proc/self/roo?/srv/secret/x",
        "touch /proc/1/root/proc/1/root/srv/secret/x",
        "cd /proc/1/root; touch srv/secret/x",
        "cd /proc/$$; touch root/srv/secret/x",
        "cd /; touch proc/1/root/srv/secret/x",
        "rm -r /proc/1/root",
        "rm -r /proc/$$/root/",
    ],
)
def test_the_root_of_a_process_is_the_root(command: str) -> None:
    assert ruling(command) is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [
        "touch /proc/self/cwd/x",
        "touch /proc/$$/cwd/x",
        "touch /proc/*/cwd/x",
        "cp x /proc/1/cwd",
        "touch /proc/self/fd/3/x",
        "touch /proc/self/fd/$n/x",
        "touch /dev/fd/3/x",
        "cat /proc/self/map_files/1-2",
    ],
)
def test_any_path_may_be_below_the_directories_and_files_of_a_process(command: str) -> None:
    assert ruling(command) is Ruling.DENY
    assert judge([policy(("allow", {"module": "shell", "param.path": "/proc/*"}), ("deny", {"module": "*"}))],
                 "shell", cmd=command).ruling is Ruling.DENY  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "sed -n w/srv/secret/x f",
        "sed -n 1w/srv/secret/x f",
        "sed -n '$w/srv/secret/x' f",
        "sed s/a/b/w/srv/secret/x f",
        "sed s/a/b/gw/srv/secret/x f",
        "sed -es/a/b/w/srv/secret/x f",
        "sed -n '/a/w/srv/secret/x' f",
        "printf w/srv/secret/x | ed f",
        "tar -xzf/srv/secret/x",
        "sort -o/srv/secret/x y",
    ],
)
def test_a_path_after_an_option_or_a_command_of_an_editor(command: str) -> None:
    assert ruling(command) is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [
        "cat /proc/$pid/status",
        "cat /proc/self/mountinfo",
        "ls /proc/*/cmdline",
        "echo x > /proc/self/fd/2",
        "ls -l /proc/self/fd",
        "echo x > /dev/stderr",
        "sed -i s/old/new/ /srv/public/x",
        "sed 's/[^/]*x/y/' /srv/x",
        "touch ${x:-/srv/public/x}",
        "cp x build/srv/secret/x",
        "echo ${x:1:2} ${#x} ${x%.*} ${x##*/}",
        "touch $d/public/x",
    ],
)
def test_other_words_are_not(command: str) -> None:
    assert ruling(command) is Ruling.ALLOW


@pytest.mark.parametrize(
    "command", ["echo " + "${x-" * 30 + "/srv/secret/x" + "}" * 30, "${a-${b-" * 5000, "${x-'" * 5000, "$" * 50000]
)
def test_the_reading_is_bounded(command: str) -> None:
    begun = time.process_time()
    ruling(command)
    assert time.process_time() - begun < 5


def test_expansions_nested_more_often_than_they_are_read_are_not_known() -> None:
    assert ruling("echo " + "${x-" * 30 + "/srv/secret/x" + "}" * 30) is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [
        "eval \"r''m\" -f x",
        "eval r'\\'m -f x",
        "eval 'r' 'm x'; eval \"rm\" x",
        "watch \"r''m\" x",
        "x[1 + 2]=2 rm y",
        "x[1 + 2]+=2 rm y",
        "x['a b']=2 rm y",
        "{a[0]}>/dev/null rm y",
        "{a[i + 1]}>/dev/null rm y",
        "rm$IFS-f x",
        "rm${IFS}x",
        "$unset rm y",
        "${x-rm} y",
        "sh<<<'rm x'",
        "<<<'rm x' sh",
        "bash -s <<< 'rm x'",
        "echo x | xargs rm",
        "xargs -a f /bin/rm",
        "parallel rm ::: x",
        "parallel 'rm {}' ::: x",
        "capsh --user=x -- -c 'rm x'",
        "logsave /tmp/l rm x",
        "/lib64/ld-linux-x86-64.so.2 /bin/rm x",
        "/lib/ld-musl-x86_64.so.1 --library-path /x /bin/rm x",
        "fish -c 'rm x'",
        "run0 rm x",
        "gosu web rm x",
    ],
)
def test_a_command_in_another_spelling(command: str) -> None:
    assert judge([policy(("deny", {"param.cmd": "rm *"}))], "shell", cmd=command).ruling is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [
        "cat <<< 'rm x'",
        "grep rm <<< x",
        "x[1]=2 echo rm y",
        "echo x[1 rm y",
        "echo $rm x",
        "ls *.so",
        "xargs echo rm x",
    ],
)
def test_other_commands_are_not(command: str) -> None:
    assert judge([policy(("deny", {"param.cmd": "rm *"}))], "shell", cmd=command).ruling is Ruling.ALLOW
