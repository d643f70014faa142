"""What the process of rules does not have: secrets, descriptors and permits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.loops.ports import BrokenRuleFile, ModuleResult
from tests.support.loops.rule_process import Effects, rule_process
from tests.support.loops.rules import source_of, write_rule
from tests.support.waiting import until

if TYPE_CHECKING:
    import pytest


async def test_secrets_of_the_environment_are_neither_there_nor_in_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary-" + os.urandom(8).hex()
    monkeypatch.setenv("DB_PASSWORD", canary)
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    half = len(canary) // 2
    search = f"""
    import os, re
    first, second = {canary[:half]!r}, {canary[half:]!r}
    pattern = re.compile(b"%s[%s]%s" % (first.encode(), second[:1].encode(), second[1:].encode()))
    assert os.environ.get("LC_TIME") == "C.UTF-8"
    if [name for name in os.environ if name not in ("LC_TIME", "PATH", "HOME", "LANG", "TMPDIR", "USER", "SHELL",
        "LOGNAME", "TZ", "LANGUAGE", "PYTHONHASHSEED") and not name.startswith("LC_")]:
        return "environment"
    if pattern.search(open("/proc/self/environ", "rb").read()):
        return "environ"
    with open("/proc/self/mem", "rb", 0) as memory:
        for line in open("/proc/self/maps"):
            low, high = (int(one, 16) for one in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line:
                continue
            try:
                memory.seek(low)
                if pattern.search(memory.read(high - low)):
                    print(line)
                    return "memory"
            except (OSError, ValueError, OverflowError):
                pass
    return None
"""
    async with rule_process(tmp_path) as at:
        judged = await at.judge(condition=search.strip())
    assert (judged.error, judged.matched) == (None, False), at.printed


async def test_no_descriptor_of_the_loop_is_inherited(tmp_path: Path) -> None:
    with open(tmp_path / "database", "w"):  # noqa: PTH123
        async with rule_process(tmp_path) as at:
            await at.judge(
                condition="import os\n    print([os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in "
                "sorted(map(int, os.listdir('/proc/self/fd'))) if os.path.lexists(f'/proc/self/fd/{n}')])\n"
                "    return True"
            )
    kinds = ["/dev/null", "anon_inode", "pipe", "pipe", "socket", "socket", "socket"]
    # All but the streams and one socket belong to its event loop.
    assert sorted(at.printed[0].strip("[']").split("', '")) == kinds


async def test_a_permit_that_a_rule_makes_is_worth_nothing_outside(tmp_path: Path) -> None:
    """What a rule can reach of the gate is a copy in its own process."""
    effects = Effects()
    async with rule_process(tmp_path) as at:
        error = await at.act(
            effects,
            action="""from ftl2_enterprise.gate import key, judge
    judge.judge = lambda *_: "allowed"
    import gc
    print([one for one in gc.get_objects() if type(one).__name__ in ("LoopContext", "LoopJournal", "Permit")])
    await ftl.shell(cmd="x")
""",
        )
    assert (error, at.printed) == ("", ["[]"])
    assert effects.calls == [("shell", {"cmd": "x"}, None)]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


async def test_processes_that_a_rule_has_started_end_with_it(tmp_path: Path) -> None:
    async with rule_process(tmp_path) as at:
        await at.judge(
            condition="""import os, subprocess
    one = subprocess.Popen(["sleep", "600"], start_new_session=True)
    os.system("setsid sleep 601 & echo; (sleep 602 &) ")
    print(os.stat("/proc/self/ns/pid").st_ino)
    return True"""
        )
        # A shell does not wait until what it has started executes its program.
        assert until(lambda: len(_children_with("sleep", {"600", "601", "602"})) == 3)
        mine = _children_with("sleep", {"600", "601", "602"})
    assert not [pid for pid in mine if _alive(pid)]


def _children_with(program: str, arguments: set[str]) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                words = (path / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if words[0] == program and set(words[1:]) & arguments:
                found.append(int(path.name))
    return found


async def test_an_import_that_failed_is_tried_again(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    head = f"import sys; sys.path.append({str(library)!r}); import come_later_for_rules"
    async with rule_process(tmp_path) as at:
        file = source_of(write_rule(tmp_path / "rules", "one", head=head))
        loaded = await at.runner.load(file)
        assert isinstance(loaded, BrokenRuleFile)
        assert loaded.error.startswith("ModuleNotFoundError")
        (library / "come_later_for_rules.py").write_text("")
        assert not isinstance(await at.runner.load(file), BrokenRuleFile)


async def test_a_result_reaches_the_rule_completely(tmp_path: Path) -> None:
    result = ModuleResult(success=False, rc=3, stdout="x\ud800", error="no", output={"failed": False, "n": 1 << 80})
    async with rule_process(tmp_path) as at:
        error = await at.act(
            Effects(lambda module, params: result),
            action="""result = await ftl.x()
    assert (result["rc"], result["failed"], result["error"], result["n"]) == (3, True, "no", str(1 << 80))
    assert ftl.error_messages == ["x on localhost: no"]
""",
        )
    assert error == ""
