"""Paths that are written together with options, with commands of an editor, or as a directory of the shell."""

from __future__ import annotations

import pytest

from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, judge, paths_to_resolve, with_paths
from ftl2_enterprise.gate.policy.commands import simple_commands
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule
from ftl2_enterprise.gate.verdicts import Ruling

GATE = GateContext(
    policies=[Policy(rules=(PolicyRule(number=1, match={"param.path": "/srv/secret/*"}, reason="", source=""),))]
)


def effect(cmd: str, **params: str) -> Effect:
    return Effect(
        kind=EffectKind.ACTION, origin=Origin.MODEL, subject="test:1", module="shell", params={"cmd": cmd, **params}
    )


def is_denied(cmd: str, **params: str) -> bool:
    return judge(effect(cmd, **params), GATE).ruling is Ruling.DENY


@pytest.mark.parametrize(
    "cmd",
    [
        "cp -rvfpubt../secret f",
        "cp -rvfpuxbt../secret f",
        "cp -aRrvfpuxPt../secret f",
        "tar -cvvvvvvvvvvf../secret/f x",
        "cp -rvfpubt.././secret f",
        "sed -n 'w.//../secret/f' x",
        "sed -n 'w../../srv/secret/f' x",
        "sed -n 'w..//..///srv/secret/f' x",
        "sed -n 'w.//.//../secret/f' x",
        "sed -n 'w//srv/secret/f' x",
        "sed 's/a/b/w.//../secret/f' x",
        "sed -n 'wa/../../secret/f' x",
        "touch ~+/../secret/f",
        "touch ~+0/../secret/f",
        "touch ~-/../secret/f",
        "touch ~1/../secret/f",
        "touch x=~+/../secret/f",
        "cd ~+/../secret; touch f",
        "cd ~+; touch ../secret/f",
        "cd ~-; touch ../secret/f",
        "cd ~+/..; touch secret/f",
        "pushd ~+/..; touch secret/f",
        "touch $PWD/../secret/f",
        "touch ${PWD}/../secret/f",
        "touch $OLDPWD/../secret/f",
        "cd $PWD/../secret; touch f",
        "chdir ../secret; touch f",
        "chdir ..; touch secret/f",
    ],
)
@pytest.mark.parametrize("is_in_line", [True, False])
def test_a_relative_path_is_found(cmd: str, *, is_in_line: bool) -> None:
    assert is_denied(f"cd /srv/other; {cmd}") if is_in_line else is_denied(cmd, chdir="/srv/other")


@pytest.mark.parametrize("cmd", ["cp f -tsecret", "cp f -rvfpubtsecret", "touch ~+/secret/f", "cp f -t secret"])
def test_a_name_is_found_below_the_directory_of_the_call(cmd: str) -> None:
    assert is_denied(cmd, chdir="/srv")


@pytest.mark.parametrize(
    ("cmd", "path"),
    [
        ("cp /etc/hostname -tt/secret", "t/secret"),
        ("tar -cvvvvvvft/secret/x y", "t/secret/x"),
        ("mv -vvvvvvt../link x", "../link"),
        ("touch ~+/t/secret/x", "./t/secret/x"),
        ("cd ~+/t/secret; touch x", "./t/secret"),
        ("cd ~-/t/secret; touch x", "./t/secret"),
        ("sed -n wt/secret/x y", "t/secret/x"),
        ("cd /srv/other; cd /tmp; cd ~-/..; touch link/x", "/srv/other/./../link/x"),
        ("cd /srv/other; cd /tmp; cd -; cd ..; touch link/x", "/srv/other/./../link/x"),
        ("OLDPWD=/srv/other; touch ~-/../link", "/srv/other/./../link"),
    ],
)
def test_it_is_resolved_on_the_host(cmd: str, path: str) -> None:
    subject = effect(cmd)
    assert path in paths_to_resolve(subject, GATE)
    assert judge(with_paths(subject, {path: ["/srv/secret/x"]}), GATE).ruling is Ruling.DENY


@pytest.mark.parametrize(
    "cmd",
    [
        "CDPATH=t:.; cd link; touch x",
        "CDPATH=t:. ; cd -P link && touch x",
        "export CDPATH=t; pushd link; touch x",
        "declare -x CDPATH=t; cd link; touch x",
        "CDPATH+=:t; cd link; touch x",
        "CDPA''TH=t; cd link; touch x",
        "read CDPATH <<<t; cd link; touch x",
        "for CDPATH in t; do cd link; touch x; done",
        ": ${CDPATH:=t}; cd link; touch x",
        "CDPATH=t; eval 'cd link'; touch x",
        "CDPATH=t bash -c 'cd link; touch x'",
        "CDPATH=t; d=link; cd $d; touch x",
        "CDPATH=t; (cd link; touch x)",
        "CDPATH=t; x=$(cd link; touch x)",
        "CDPATH=t; cd a /tmp; cd link",
        "unset CDPATH; CDPATH=t; cd link",
    ],
)
def test_a_relative_name_after_cd_may_be_anywhere_with_directories_to_search(cmd: str) -> None:
    assert is_denied(cmd)


@pytest.mark.parametrize(
    "cmd",
    [
        "CDPATH=t; cd /usr; touch x",
        "CDPATH=t; cd ./a; touch x",
        "CDPATH=t; cd ..; touch x",
        "CDPATH= cd lib; touch x",
        "CDPATH='' cd -- lib && pwd",
        "unset CDPATH; cd lib; touch x",
        "echo $CDPATH; touch x",
        "cd lib; touch x",
    ],
)
def test_otherwise_it_is_the_directory_that_it_seems_to_be(cmd: str) -> None:
    assert not is_denied(cmd)


@pytest.mark.parametrize(
    "cmd",
    [
        "tar -xzvf x.tar",
        "gcc -Wall -O2 -Iinclude/a -fstack-protector-strong -c x.c",
        "cp -rvft../others f",
        "sed 's/word/red/w../others' x",
        "touch ~+/f ~/f ~bob/f",
        "ls -la --color=auto",
    ],
)
def test_other_options_are_no_such_paths(cmd: str) -> None:
    assert not is_denied(cmd, chdir="/srv/other")


@pytest.mark.parametrize(
    "cmd",
    [
        "chdir /srv/other; touch ../secret/x",
        "cd -L -P -L -P -L -P -L -P /srv/other; touch ../secret/x",
        "cd &>/dev/null /srv/other; touch ../secret/x",
        "cd 2>/a 2>/b 2>/c 2>/d /srv/other; touch ../secret/x",
    ],
)
def test_what_cd_changes_to_is_found_after_any_number_of_words(cmd: str) -> None:
    assert is_denied(cmd)


def test_long_lines_of_options_are_compared_completely() -> None:
    flags = " ".join(f"-Wno-unused-{n} -fsanitize-{n} -Isrc/{n}" for n in range(12))
    assert not is_denied(f"gcc {flags} -c x.c", chdir="/srv/other")


@pytest.mark.parametrize("word", ["-" + "a" * 100_000 + "/x", "cd ~-/a; " * 10_000, "-C ~- " * 20_000])
def test_what_is_too_long_to_be_compared_matches_every_rule(word: str) -> None:
    assert is_denied(f"x {word}", chdir="/srv/other")


@pytest.mark.parametrize(
    "cmd",
    [
        "script -qqqqqqqc'rm -rf /x' f",
        "su -mlPPPPPPPPPPPPPPPPPPPc'rm -rf /x'",
        "env -iiiiiiiS'rm -rf /x'",
        "env -iiiiiiiS'A=1 rm -rf' /x",
        "flock f -nnnnnnnc'rm -rf /x'",
    ],
)
def test_a_command_line_is_found_after_any_number_of_options(cmd: str) -> None:
    assert "rm -rf /x" in (simple_commands(cmd) or ())


def test_a_command_line_after_very_many_options_is_not_compared() -> None:
    assert simple_commands(f"su -{'l' * 1000}c'rm -rf /x'") is None
