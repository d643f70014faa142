"""The claude adapter against stand-in programs: everything that a program can do wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.adapters.deciders.ai.decider import AiDecider
from ftl2_enterprise.adapters.deciders.ai.schema import decision_schema
from ftl2_enterprise.adapters.deciders.ai.system_prompt import SYSTEM
from ftl2_enterprise.adapters.models import run_program
from ftl2_enterprise.adapters.models.claude.client import ClaudeModel
from ftl2_enterprise.adapters.models.port import ModelError, ModelReply, ModelRequest
from ftl2_enterprise.gate.effects import HostIdentity, model_params
from ftl2_enterprise.gate.permits import NotPermitted
from ftl2_enterprise.loops.ports import DeciderFailed, ModelUsage
from ftl2_enterprise.protocol.loops.nouns import CallOutcome
from tests.support.loops.models import RecordingCalls, fake_claude, processes_of_group, situation
from tests.support.loops.permitted import model_permit, model_permit_of, permit

REQUEST = ModelRequest(purpose="decide", system=SYSTEM, prompt="PROMPT-MARK", schema=decision_schema())
LIMIT = 20.0


async def ask(folder: Path, body: str, prompt: str = "PROMPT-MARK", **given: Any) -> ModelReply:
    request = ModelRequest(purpose="decide", system=SYSTEM, prompt=prompt, schema=decision_schema())
    return await send(ClaudeModel(command=fake_claude(folder, body), **given), request)


async def send(model: ClaudeModel, request: ModelRequest = REQUEST) -> ModelReply:
    return await model.ask(request, model_permit_of(request, model))


async def failure(folder: Path, body: str, **given: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await ask(folder, body, **given)
    assert caught.value.message.startswith("cannot ")
    assert "\n" not in caught.value.message
    return caught.value


async def appears(path: Path) -> str:
    """What a file holds as soon as it holds a line."""
    async with asyncio.timeout(LIMIT):
        while not (path.exists() and path.read_text().endswith("\n")):
            await asyncio.sleep(0.01)
    return path.read_text().strip()


async def gone(group: int) -> None:
    async with asyncio.timeout(LIMIT):
        while processes_of_group(group):
            await asyncio.sleep(0.01)


async def test_the_prompt_is_passed_on_standard_input_only(tmp_path: Path) -> None:
    prompt = "PROMPT-MARK " + "é" * 300_000
    reply = await ask(
        tmp_path,
        "reply(structured_output={'argv': argv, 'prompt': prompt, 'env': dict(os.environ), 'cwd': os.getcwd(),"
        " 'files': {n: open(n).read() for n in os.listdir()}, 'sid': os.getsid(0) == os.getpid(),"
        " 'cmdline': open('/proc/self/cmdline').read()})",
        prompt=prompt, model="m-1", env={"EXTRA": "1"},
    )  # fmt: skip
    got = reply.value
    assert got["prompt"] == prompt
    assert "PROMPT-MARK" not in got["cmdline"]
    assert "reconcile loop" not in got["cmdline"]
    assert got["files"] == {"system.txt": SYSTEM}
    assert got["cwd"] != str(Path.cwd())
    assert not Path(got["cwd"]).exists()
    assert got["sid"] is True
    argv = got["argv"]
    assert argv[argv.index("--model") + 1] == "m-1"
    assert argv[argv.index("--tools") + 1] == ""
    assert json.loads(argv[argv.index("--json-schema") + 1]) == decision_schema()
    assert got["env"]["EXTRA"] == "1"
    assert got["env"]["CLAUDE_CODE_MAX_RETRIES"] == "0"
    assert got["env"]["API_TIMEOUT_MS"] == "300000"


async def test_the_environment_has_neither_nesting_variables_nor_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDECODE", "1")
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    monkeypatch.setenv("OTHER", "kept")
    reply = await ask(tmp_path, "reply(structured_output=dict(os.environ))", hidden=["DB_PASSWORD"])
    assert "CLAUDECODE" not in reply.value
    assert "DB_PASSWORD" not in reply.value
    assert reply.value["OTHER"] == "kept"
    assert os.environ["CLAUDECODE"] == "1"


@pytest.mark.parametrize(
    ("bare", "key", "expected"), [(None, "k", True), (None, "", False), (True, "", True), (False, "k", False)]
)
async def test_bare_is_a_setting_and_follows_the_key(
    tmp_path: Path, *, bare: bool | None, key: str, expected: bool
) -> None:
    reply = await ask(tmp_path, "reply(structured_output=argv)", bare=bare, env={"ANTHROPIC_API_KEY": key})
    assert ("--bare" in reply.value) is expected


async def test_usage_counts_cached_tokens_and_names_the_model(tmp_path: Path) -> None:
    reply = await ask(
        tmp_path,
        "reply(structured_output={'converged': True}, total_cost_usd=0.25, modelUsage={'big-1': {}}, usage={"
        "'input_tokens': 5, 'cache_creation_input_tokens': 7, 'cache_read_input_tokens': 100, 'output_tokens': 9})",
    )
    assert reply.usage == ModelUsage(input_tokens=112, output_tokens=9, cost_usd=0.25, model="big-1")


FAILURES: dict[str, tuple[str, CallOutcome, bool, str]] = {
    "not logged in": (
        "result='Not logged in · Please run /login'", CallOutcome.UNAUTHENTICATED, False, "it is not logged in",
    ),
    "bad key": (
        "api_error_status=401, result='Invalid API key · Fix external API key'", CallOutcome.UNAUTHENTICATED, False,
        "not accepted",
    ),
    "forbidden": ("api_error_status=403, result='no'", CallOutcome.UNAUTHENTICATED, False, "lacks the permission"),
    "unknown model": ("api_error_status=404, result='no'", CallOutcome.FAILED, False, "'m-1' does not exist"),
    "rate limit": ("api_error_status=429, result='slow'", CallOutcome.FAILED, True, "rate limit"),
    "overloaded": ("api_error_status=529, result='busy'", CallOutcome.FAILED, True, "overloaded"),
    "broken service": ("api_error_status=500, result='oops'", CallOutcome.FAILED, True, "the service failed (500)"),
    "bad request": ("api_error_status=400, result='why'", CallOutcome.FAILED, False, "(400): why"),
    "too large": ("api_error_status=413, result='big'", CallOutcome.FAILED, False, "too large"),
    "unreachable": (
        "result='API Error: Unable to connect to API (ConnectionRefused)'", CallOutcome.UNREACHABLE, True,
        "cannot reach",
    ),
    "unreachable, newer": (
        "api_error='connection_failed', result='API Error: no'", CallOutcome.UNREACHABLE, True, "cannot reach",
    ),
    "request timed out": ("result='Request timed out.'", CallOutcome.TIMED_OUT, True, "timed out"),
    "refusal": ("stop_reason='refusal', result='API Error: no'", CallOutcome.REFUSED, False, "refused to answer"),
    "budget": ("subtype='error_max_budget_usd'", CallOutcome.REFUSED, False, "limit is reached"),
    "credit": (
        "api_error_status=400, result='Credit balance is too low'", CallOutcome.REFUSED, False, "limit is reached",
    ),
    "no reason": ("", CallOutcome.FAILED, False, "cannot get an answer"),
}  # fmt: skip


INTERRUPTED = {"unreachable, newer", "request timed out"}
"""Failures after which the provider may charge for more than the program knows of."""


@pytest.mark.parametrize("name", FAILURES)
async def test_each_failure_has_its_own_message(tmp_path: Path, name: str) -> None:
    # All of them with the subtype "success", as the program has it: only is_error distinguishes them.
    result, outcome, temporary, words = FAILURES[name]
    error = await failure(
        tmp_path,
        f"reply(**dict({{'is_error': True, 'total_cost_usd': 0.5}}, **dict({result})))\nsys.exit(1)",
        model="m-1",
    )
    assert words in error.message
    assert (error.outcome, error.temporary) == (outcome, temporary)
    assert error.usage.cost_usd == (None if name in INTERRUPTED else 0.5)


async def test_how_to_log_in_depends_on_bare(tmp_path: Path) -> None:
    body = "reply(is_error=True, result='Not logged in')"
    assert "/login" in (await failure(tmp_path, body, bare=False)).message
    assert "/login" not in (await failure(tmp_path, body, bare=True)).message


async def test_a_request_without_a_permit_for_it_is_not_sent(tmp_path: Path) -> None:
    model = ClaudeModel(command=fake_claude(tmp_path, "reply(structured_output={})"), model="m-1")
    other = replace(REQUEST, prompt="something else")
    wrong = (
        model_permit_of(other, model),
        model_permit("claude", "m-2", REQUEST.purpose, REQUEST.digest()),
        model_permit("other", "m-1", REQUEST.purpose, REQUEST.digest()),
        model_permit("claude", "m-1", "repair", REQUEST.digest()),
        permit(HostIdentity(), "", "claude", model_params(model="m-1", purpose="decide", digest=REQUEST.digest())),
    )
    for given in wrong:
        with pytest.raises(NotPermitted):
            await model.ask(REQUEST, given)
    assert (await send(model)).value == {}


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    for command in ("no-such-claude", str(tmp_path / "nowhere" / "claude"), str(tmp_path)):
        with pytest.raises(ModelError, match="is not installed") as caught:
            await send(ClaudeModel(command=command))
        assert caught.value.outcome is CallOutcome.NOT_INSTALLED
        assert not caught.value.temporary


async def test_a_program_that_cannot_be_executed_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "claude"
    broken.write_bytes(b"\x00\x01\x02")
    broken.chmod(0o755)
    with pytest.raises(ModelError, match="cannot be started") as caught:
        await send(ClaudeModel(command=str(broken)))
    assert caught.value.outcome is CallOutcome.NOT_INSTALLED


async def test_the_program_is_found_in_the_path_that_the_child_gets(tmp_path: Path) -> None:
    fake_claude(tmp_path, "reply(structured_output={'converged': True})")
    reply = await send(ClaudeModel(env={"PATH": str(tmp_path)}))
    assert reply.value == {"converged": True}


async def test_an_unknown_option_is_permanent_and_a_kill_is_temporary(tmp_path: Path) -> None:
    old = await failure(tmp_path, "sys.exit(\"error: unknown option '--json-schema'\")")
    assert "ended with status 1: error: unknown option" in old.message
    assert not old.temporary
    killed = await failure(tmp_path, "os.kill(os.getpid(), 9)")
    assert "signal 9" in killed.message
    assert killed.temporary


OUTPUTS: dict[str, str] = {
    "nothing": "",
    "prose": "print('I am fine')",
    "not UTF-8": "sys.stdout.buffer.write(b'\\xff\\xfe\\x00 {\"converged\": true\\x80}')",
    "truncated": 'print(\'{"type":"result","resu\')',
    "no structured output": "reply(result='Done!')",
    "structured null": "reply(structured_output=None, result='')",
    "structured list": "reply(structured_output=[1])",
    "half a pair": "reply(result='\\ud800')",
    "gave up on the schema": "reply(is_error=True, subtype='error_max_structured_output_retries'); sys.exit(1)",
    "too many turns": "reply(is_error=True, subtype='error_max_turns'); sys.exit(1)",
    "a megabyte": "print('x' * 1_000_000)",
    "twenty megabytes": "reply(structured_output={'converged': True, 'reasoning': 'x' * 20_000_000})",
    "other JSON": "print('[1, 2]'); print('null')",
}


@pytest.mark.parametrize("name", OUTPUTS)
async def test_output_without_a_decision_is_malformed_after_one_repair(tmp_path: Path, name: str) -> None:
    calls = RecordingCalls()
    ai = AiDecider(ClaudeModel(command=fake_claude(tmp_path, OUTPUTS[name])))
    with pytest.raises(DeciderFailed) as caught:
        await ai.decide(situation(), calls)
    assert caught.value.outcome is CallOutcome.MALFORMED
    assert calls.outcomes == [CallOutcome.MALFORMED] * 2
    assert all(len(call.response.encode()) < 1_100_000 for call in calls.calls)


@pytest.mark.parametrize(
    "body",
    [
        "reply(result='Here: {\"converged\": true}')",
        "print('a warning'); reply(structured_output={'converged': True})",
        "print(json.dumps([{'type': 'system'}, {'type': 'result', 'structured_output': {'converged': True}}]))",
        "sys.stderr.write('noise' * 1_000_000); reply(structured_output={'converged': True})",
    ],
)
async def test_a_decision_is_found_in_every_shape_of_output(tmp_path: Path, body: str) -> None:
    decision = await AiDecider(ClaudeModel(command=fake_claude(tmp_path, body))).decide(situation(), RecordingCalls())
    assert decision.converged


STALL = """
import subprocess
mark = {mark!r}
child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 600 & sleep 600"])
open(mark, "w").write(str(os.getpgid(0)) + "\\n")
time.sleep(600)
"""


async def test_a_time_out_kills_the_whole_group(tmp_path: Path) -> None:
    mark = tmp_path / "group"
    error = await failure(tmp_path, STALL.format(mark=str(mark)), timeout=2.0)
    assert error.outcome is CallOutcome.TIMED_OUT
    assert error.temporary
    assert "2 seconds" in error.message
    assert processes_of_group(int(mark.read_text())) == []


async def test_a_cancelled_call_leaves_no_process_and_is_recorded(tmp_path: Path) -> None:
    mark, calls = tmp_path / "group", RecordingCalls()
    ai = AiDecider(ClaudeModel(command=fake_claude(tmp_path, STALL.format(mark=str(mark)))))
    deciding = asyncio.create_task(ai.decide(situation(desired_state="PROMPT-MARK"), calls))
    group = int(await appears(mark))
    async with asyncio.timeout(LIMIT):
        # The shell may not have forked yet.
        while len(processes_of_group(group)) < 3:
            await asyncio.sleep(0.01)
    for pid in processes_of_group(group):
        assert b"PROMPT-MARK" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    deciding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deciding
    assert processes_of_group(group) == []
    assert calls.outcomes == [CallOutcome.UNKNOWN]


async def test_processes_that_the_program_leaves_are_killed(tmp_path: Path) -> None:
    mark = tmp_path / "group"
    body = (
        "import subprocess\nsubprocess.Popen(['/bin/sleep', '600'])\n"
        f"open({str(mark)!r}, 'w').write(str(os.getpgid(0)))\nreply(structured_output={{'converged': True}})"
    )
    async with asyncio.timeout(LIMIT):
        assert (await ask(tmp_path, body)).value == {"converged": True}
    assert processes_of_group(int(mark.read_text())) == []


async def test_a_grandchild_that_keeps_the_output_open_does_not_delay_the_answer(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    body = (
        "import subprocess\nchild = subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)\n"
        f"open({str(mark)!r}, 'w').write(str(child.pid))\nreply(structured_output={{'converged': True}})"
    )
    try:
        async with asyncio.timeout(LIMIT):
            assert (await ask(tmp_path, body)).value == {"converged": True}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(mark.read_text()), signal.SIGKILL)


async def test_a_call_leaves_no_descriptor_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    body = "reply(structured_output={'converged': True})"
    await ask(tmp_path, body)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        await ask(tmp_path, body)
        await failure(tmp_path, "sys.exit(3)")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(scratch.iterdir()) == []


async def test_output_is_kept_up_to_the_limit(tmp_path: Path) -> None:
    ended = await run_program.run(
        [sys.executable, "-ISc", "print('x' * 5_000_000)"],
        given=b"", env={}, cwd=str(tmp_path), timeout=LIMIT, limit=1_000,
    )  # fmt: skip
    assert (ended.status, ended.stdout, ended.truncated) == (0, b"x" * 1_000, True)


def test_importing_the_adapter_starts_nothing_and_needs_no_provider_library() -> None:
    code = (
        "import sys, ftl2_enterprise.adapters.deciders.ai.decider, ftl2_enterprise.adapters.models.claude.client\n"
        "sys.exit(any(n.split('.')[0] in {'anthropic', 'claude_agent_sdk', 'httpx'} for n in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
