"""The process of rules: what rules can do in it, and that nothing they do there harms the loop's process."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.rules import runner as runner_module
from ftl2_enterprise.core.problem import Problem, unavailable
from ftl2_enterprise.loops.ports import BrokenRuleFile
from tests.support.loops.rule_process import Effects, rule_process
from tests.support.loops.rules import source_of, write_rule

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.decision import StateOp


async def test_a_file_is_executed_once_for_each_content_in_another_process(tmp_path: Path) -> None:
    async with rule_process(tmp_path) as at:
        first = await at.load(head="import os\nprint('executed by', os.getpid())")
        await at.runner.load(first)
        await at.runner.evaluate(first, {}, 20)
        await at.load(head="import os\nprint('again by', os.getpid())")
    words = [line.rsplit(" ", 1) for line in at.printed]
    assert [text for text, _ in words] == ["executed by", "again by"]
    assert len({pid for _, pid in words}) == 1
    assert str(os.getpid()) not in {pid for _, pid in words}


async def test_a_condition_sees_the_state_and_cannot_change_it(tmp_path: Path) -> None:
    state = {"disk": {"rc": 0, "stdout": "x\ud800", "n": 1 << 80}}
    async with rule_process(tmp_path) as at:
        file = await at.load(condition="state['seen'] = True; return state['disk']['rc'] == 0")
        assert (await at.runner.evaluate(file, state, 20)).matched
    assert list(state) == ["disk"]


async def test_an_action_asks_for_calls_and_state_operations_in_order(tmp_path: Path) -> None:
    effects = Effects()
    async with rule_process(tmp_path) as at:
        error = await at.act(
            effects,
            action="""import asyncio
    await asyncio.gather(*(ftl.shell(cmd=str(n)) for n in range(3)))
    result = await ftl.web01.service(name="nginx")
    assert (result["stdout"], result["failed"], result["host"], ftl.failed) == ("done", False, "web01", False)
    ftl.add_host("web02", ansible_host="192.0.2.7", port_name="x")
    ftl.state.add_resource("disk", {"size": 5})
    assert ftl.hosts == ["web01", "web02"]
""",
        )
    assert error == ""
    assert effects.calls == [
        *(("shell", {"cmd": str(n)}, None) for n in range(3)),
        ("service", {"name": "nginx"}, "web01"),
    ]
    assert [(op.op, op.name, op.data) for op in effects.ops] == [
        ("add_host", "web02", {"port_name": "x"}),
        ("add_resource", "disk", {"size": 5}),
    ]


async def test_a_call_that_a_rule_no_longer_waits_for_is_cancelled(tmp_path: Path) -> None:
    cancelled: list[str] = []

    class Slow(Effects):
        async def perform(self, module: str, params: dict[str, Any], host: str | None) -> Any:
            if module == "slow":
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.append(module)
                    raise
            return await super().perform(module, params, host)

    effects = Slow()
    async with rule_process(tmp_path) as at:
        error = await at.act(
            effects,
            action="""import asyncio
    try:
        await asyncio.wait_for(ftl.slow(), 0.05)
    except TimeoutError:
        await ftl.fast()
    forgotten = asyncio.create_task(ftl.slow())
    await asyncio.sleep(0.05)
""",
        )
    assert error == ""
    assert cancelled == ["slow", "slow"]
    assert [module for module, _, _ in effects.calls] == ["fast"]


async def test_calls_after_the_end_of_a_rule_are_refused(tmp_path: Path) -> None:
    effects = Effects()
    async with rule_process(tmp_path) as at:
        await at.act(
            effects,
            head="kept = []",
            action="kept.append(ftl); await ftl.first()",
        )
        file = await at.load(
            "two",
            action="""import sys
    (one,) = [module for name, module in sys.modules.items() if name.endswith("_one")]
    for late in (lambda: one.kept[0].shell(cmd="late"),):
        try:
            await late()
        except RuntimeError as error:
            print(error)
    try:
        one.kept[0].state.add_resource("x", {})
    except RuntimeError as error:
        print(error)
""",
        )
        assert await at.runner.act(file, {}, [], effects) == ""
    assert at.printed == ["cannot call shell: the rule has ended", "cannot change x: the rule has ended"]
    assert ([module for module, _, _ in effects.calls], effects.ops) == (["first"], [])


async def test_an_error_of_the_engine_during_a_call_ends_the_rule_and_is_raised(tmp_path: Path) -> None:
    class Failing(Effects):
        async def perform(self, module: str, params: dict[str, Any], host: str | None) -> Any:
            raise unavailable("cannot write the database")

        def change(self, op: StateOp) -> None:
            raise unavailable("cannot write the database")

    async with rule_process(tmp_path) as at:
        for action in ("await ftl.shell(cmd='x')", "ftl.state.remove('x')"):
            with pytest.raises(Problem, match="cannot write the database"):
                await at.act(Failing(), action=f"{action}\n    import time\n    time.sleep(600)")
        assert await at.act(action="pass") == ""


async def test_cancelling_an_action_kills_it_and_its_call(tmp_path: Path) -> None:
    begun = asyncio.Event()

    class Endless(Effects):
        async def perform(self, module: str, params: dict[str, Any], host: str | None) -> Any:
            begun.set()
            await asyncio.Event().wait()

    async with rule_process(tmp_path) as at:
        task = asyncio.create_task(at.act(Endless(), action="await ftl.shell(cmd='x')"))
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await at.act(action="pass") == ""


# --- rules that misbehave ------------------------------------------------------------------------------------------

ENDED = "its process ended"


@pytest.mark.parametrize(
    ("head", "error"),
    [
        ("import os; os._exit(0)", f"{ENDED} while the file was imported"),
        ("import os; os.kill(os.getpid(), 9)", f"{ENDED} while the file was imported"),
        ("import os; os.close(os.dup(0)); os.closerange(3, 100)", f"{ENDED} while the file was imported"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt (line 6)"),
        ("raise BaseException('odd')", "BaseException: odd (line 6)"),
        ("import resource; x = bytearray(8 << 30)", "MemoryError (line 6)"),
        ("observe = [{'name': 'x' * (2 << 20), 'module': 'y'}]", "cannot send a message of"),
        ("while True: pass", "its import did not end within 1 s"),
        ("import time; time.sleep(60)", "its import did not end within 1 s"),
    ],
)
async def test_a_file_that_cannot_be_imported_is_broken_and_others_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, error: str
) -> None:
    async with rule_process(tmp_path) as at:
        fine = await at.load("fine", condition="return state['x'] == 1")
        monkeypatch.setattr(runner_module, "LOAD_LIMIT", 1.0 if "1 s" in error else 30.0)
        loaded = await at.runner.load(source_of(write_rule(tmp_path, "bad", head=head)))
        assert isinstance(loaded, BrokenRuleFile)
        assert loaded.error.startswith(error)
        monkeypatch.setattr(runner_module, "LOAD_LIMIT", 30.0)
        assert (await at.runner.evaluate(fine, {"x": 1}, 20)).matched


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("import os; os._exit(0)", f"{ENDED} while the condition was evaluated"),
        ("import os; os.kill(os.getpid(), 9)", f"{ENDED} while the condition was evaluated"),
        ("import os; os.closerange(3, 100)", ENDED),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("return bytearray(8 << 30)", "MemoryError"),
        ("raise ValueError('x' * 100_000_000)", "ValueError: xxx"),
        ("while True: pass", "the condition did not end within 0.3 s"),
        ("import time; time.sleep(60)", "the condition did not end within 0.3 s"),
        ("import asyncio; await asyncio.sleep(60)", "the condition did not end within 0.3 s"),
        (
            "import asyncio\n    while True:\n        try:\n            await asyncio.sleep(1)\n"
            "        except BaseException:\n            pass",
            "the condition did not end within 0.3 s",
        ),
        ("import signal; signal.pthread_sigmask(0, range(1, 64))\n    while True: pass", "the condition did not end"),
        ("def deep(): return deep()\n    return deep()", "RecursionError"),
    ],
)
async def test_a_condition_that_does_not_return_is_an_error_and_others_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, condition: str, error: str
) -> None:
    monkeypatch.setattr(runner_module, "GRACE", 0.3)
    async with rule_process(tmp_path) as at:
        fine = await at.load("fine")
        bad = await at.load("bad", condition=condition)
        judged = await at.runner.evaluate(bad, {}, 0.3 if "0.3" in error or "did not end" in error else 20)
        assert not judged.matched
        assert (judged.error or "").startswith(error)
        assert len(judged.error or "") < 20_000
        assert (await at.runner.evaluate(fine, {}, 20)).matched


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("import os; os._exit(0)", f"{ENDED} while the action ran"),
        ("await ftl.first()\n    import os; os._exit(0)", f"{ENDED} while the action ran"),
        ("while True: pass", "the action did not end, and made no call, within 0.5 s"),
        ("await ftl.first()\n    while True: pass", "the action did not end, and made no call, within 0.5 s"),
        ("await ftl.big(x='y' * (70 << 20))", "ValueError: cannot send a message of"),
        ("x = []\n    for _ in range(100_000): x = [x]\n    await ftl.deep(x=x)", "RecursionError"),
        ("import asyncio\n    await asyncio.gather(*(ftl.x() for _ in range(20)))", ""),
        ("await ftl.run_on(5, 'x')", "TypeError"),
        ("ftl.state.add_resource(5, {})", "TypeError: cannot change 5"),
    ],
)
async def test_an_action_that_misbehaves_is_a_failed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, error: str
) -> None:
    monkeypatch.setattr(runner_module, "ACT_LIMIT", 0.5 if "0.5" in error else 60.0)
    async with rule_process(tmp_path) as at:
        assert (await at.act(action=action)).startswith(error)
        assert await at.act(action="pass") == ""


FORGED = """import struct, msgspec
    def send(body): channel.send_raw(struct.pack('>I', len(body)) + body)
    class channel:
        @staticmethod
        def send_raw(data):
            import asyncio, contextlib, gc, socket
            loop = asyncio.get_running_loop()
            for one in gc.get_objects():
                if isinstance(one, socket.socket) and one not in (loop._csock, loop._ssock):
                    with contextlib.suppress(OSError):
                        one.send(data)
    """


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("b'no json'", "cannot understand the process of rules"),
        ("b'\\xff\\xfe'", "cannot understand the process of rules"),
        ('b\'{"type": "permit"}\'', "cannot understand the process of rules"),
        ("b'[' * 100_000", "cannot understand the process of rules"),
        ('b\'{"type": "judged", "matched": true}\'', "cannot understand the process of rules: judged"),
        ('b\'{"type": "call", "call": 1, "module": 5, "params": {}}\'', "cannot understand"),
        ('b\'{"type": "change", "op": {"op": "x", "name": "y", "more": 1}}\'', "cannot understand"),
    ],
)
async def test_a_rule_that_speaks_to_the_socket_itself_gets_nothing(tmp_path: Path, body: str, part: str) -> None:
    effects = Effects()
    async with rule_process(tmp_path) as at:
        error = await at.act(effects, action=f"{FORGED}send({body})\n    import time\n    time.sleep(60)")
        assert error.startswith(part)
        assert await at.act(action="pass") == ""
    assert (effects.calls, effects.ops) == ([], [])


async def test_a_frame_of_gigabytes_is_refused_at_its_length(tmp_path: Path) -> None:
    async with rule_process(tmp_path) as at:
        error = await at.act(
            action=f"{FORGED}channel.send_raw(struct.pack('>I', (1 << 32) - 1))\n    import time\n    time.sleep(60)"
        )
    assert "are the most" in error


async def test_many_calls_at_once_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "MOST_CALLS", 10)
    body = 'b\'{"type": "call", "call": %d, "module": "x", "params": {}}\' % n'

    class Endless(Effects):
        async def perform(self, module: str, params: dict[str, Any], host: str | None) -> Any:
            await asyncio.Event().wait()

    async with rule_process(tmp_path) as at:
        error = await at.act(
            Endless(),
            action=f"{FORGED}\n    for n in range(50): send({body})\n    import asyncio\n    await asyncio.sleep(60)",
        )
    assert error == "cannot make the call: at most 10 may wait at the same time"


async def test_output_is_logged_up_to_a_limit(tmp_path: Path) -> None:
    async with rule_process(tmp_path) as at:
        await at.judge(
            head="import os, sys\nprint('x' * 10_000)\nprint('to standard error', file=sys.stderr)\n"
            "os.write(1, b'a\\xff')",
            condition="print('from', 'condition'); import os\n    os.system('echo from a program'); print()\n"
            "    for n in range(3000): print(n)\n    return True",
        )
    assert at.printed[0] == "x" * 497 + "..."
    assert {"to standard error", "from a program"} <= set(at.printed)
    assert len(at.printed) == runner_module.MOST_LINES + 1
    assert at.printed[-1] == "the rules have printed 1000 lines; more are not logged"
