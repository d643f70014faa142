"""The real claude program against a scripted local server. Each call costs a second of CPU: few, and whole paths."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.adapters.deciders.ai.decider import AiDecider
from ftl2_enterprise.adapters.deciders.ai.schema import decision_schema
from ftl2_enterprise.adapters.deciders.ai.system_prompt import SYSTEM
from ftl2_enterprise.adapters.models.claude.client import MOST_REQUESTS, ClaudeModel
from ftl2_enterprise.adapters.models.port import ModelError, ModelRequest
from ftl2_enterprise.gate.budgets import Price
from ftl2_enterprise.loops.ports import DeciderFailed
from ftl2_enterprise.protocol.loops.decision import ActionSpec
from ftl2_enterprise.protocol.loops.nouns import CallOutcome
from tests.support.loops.models import RecordingCalls, processes_of_group, real_claude, seen, situation
from tests.support.loops.permitted import model_permit_of
from tests.support.scripted.model_server import ModelServer, Reply

pytestmark = pytest.mark.claude
GOOD = {"converged": True, "reasoning": "all well"}
LIMIT = 60.0


FOREIGN = ("ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy",
           "https_proxy", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX")  # fmt: skip
"""Variables of the person who runs the tests that would lead the program elsewhere."""


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


def decider(home: Path, url: str, *, key: str | None = "test-key", retries: int = 0, **given: Any) -> AiDecider:
    env = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": key or "",
    }
    options: dict[str, Any] = {"model": "sonnet", "timeout": LIMIT, "max_retries": 0, "bare": True, "env": env,
                               "hidden": FOREIGN}  # fmt: skip
    return AiDecider(ClaudeModel(command=real_claude(), **options | given), retries=retries, sleep=no_pause)


async def failed(ai: AiDecider, calls: RecordingCalls) -> DeciderFailed:
    with pytest.raises(DeciderFailed) as caught:
        await ai.decide(situation(), calls)
    assert caught.value.message.startswith("cannot ")
    return caught.value


async def test_a_decision_from_a_prompt_of_300_kb_with_usage_and_cost(tmp_path: Path) -> None:
    act = {
        "reasoning": "nginx is down",
        "actions": [{"module": "command", "params": {"cmd": "systemctl start nginx"}, "host": "web1"}],
    }
    desired_state = "keep this: " + "w" * 300_000
    calls = RecordingCalls()
    with ModelServer([Reply(value=act)]) as server:
        decision = await decider(tmp_path, server.url).decide(situation(desired_state=desired_state), calls)
        [request] = server.requests
    assert decision.actions == [ActionSpec(module="command", params={"cmd": "systemctl start nginx"}, host="web1")]
    assert desired_state in server.prompts()[0]
    assert SYSTEM in [block["text"] for block in request["system"]]
    assert [tool["name"] for tool in request["tools"]] == ["StructuredOutput"]
    assert len(json.dumps(request)) < 300_000 + 40_000
    [call] = calls.calls
    assert call.outcome is CallOutcome.OK
    assert call.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens) == (1200, 34)
    assert call.usage.cost_usd is not None
    assert call.usage.cost_usd > 0
    assert call.latency is not None
    assert call.latency > 0


async def test_text_instead_of_a_decision_is_repaired(tmp_path: Path) -> None:
    calls = RecordingCalls()
    with ModelServer([Reply(text="I would rather talk."), Reply(value=GOOD)]) as server:
        decision = await decider(tmp_path, server.url).decide(situation(), calls)
        prompts = server.prompts()
    assert decision.converged
    assert calls.outcomes == [CallOutcome.MALFORMED, CallOutcome.OK]
    assert "could not be used" in prompts[-1]


TRUNCATED = Reply(text="w" * 400, stop_reason="max_tokens")
INVALID = Reply(value={"converged": "perhaps", "surprise": 1})


@pytest.mark.parametrize(
    "script",
    [
        [Reply(value=GOOD)],
        [Reply(text="no")],
        [INVALID],
        [TRUNCATED],
        [TRUNCATED, TRUNCATED, INVALID],
        [TRUNCATED, Reply(text="no")],
    ],
    ids=["good", "text", "invalid", "truncated", "truncated, then invalid", "truncated, then text"],
)
async def test_one_run_of_the_program_stays_within_its_bound(tmp_path: Path, script: list[Reply]) -> None:
    """Whatever the model answers: the number of requests, the size of each, and the limit of each answer."""
    env = {"HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path), "ANTHROPIC_API_KEY": "test-key"}
    request = ModelRequest(purpose="decide", system=SYSTEM, prompt="what now? " * 500, schema=decision_schema())
    with ModelServer(script) as server:
        model = ClaudeModel(
            command=real_claude(), model="sonnet", timeout=LIMIT, bare=True, hidden=FOREIGN, max_output_tokens=4_000,
            price=Price(10.0, 50.0), env=env | {"ANTHROPIC_BASE_URL": server.url},
        )  # fmt: skip
        with contextlib.suppress(ModelError):
            await model.ask(request, model_permit_of(request, model))
        sent = server.requests
    bound = model.bound(request)
    assert 1 <= len(sent) <= MOST_REQUESTS
    assert {one["max_tokens"] for one in sent} == {4_000}
    # A token has at least one byte; the rest is what each answer may be.
    tokens = sum(len(json.dumps(one)) + 4_000 for one in sent)
    assert tokens <= bound.tokens
    charged = Price(10.0, 50.0).cost(input_tokens=1200 * len(sent), output_tokens=34 * len(sent))
    assert charged <= bound.cost


async def test_a_busy_service_is_retried(tmp_path: Path) -> None:
    calls = RecordingCalls()
    with ModelServer([Reply(status=429, error="slow down"), Reply(value=GOOD)]) as server:
        assert (await decider(tmp_path, server.url, retries=2).decide(situation(), calls)).converged
    assert calls.outcomes == [CallOutcome.FAILED, CallOutcome.OK]
    assert calls.calls[0].error == "cannot ask claude: too many requests (rate limit)"


async def test_a_bad_key_is_not_retried(tmp_path: Path) -> None:
    calls = RecordingCalls()
    with ModelServer([Reply(status=401, error="invalid x-api-key")]) as server:
        error = await failed(decider(tmp_path, server.url, retries=3), calls)
    assert error.outcome is CallOutcome.UNAUTHENTICATED
    assert "not accepted" in error.message
    assert len(calls.calls) == 1


async def test_a_missing_login_is_distinguished_from_a_bad_key(tmp_path: Path) -> None:
    with ModelServer([Reply(value=GOOD)]) as server:
        error = await failed(decider(tmp_path, server.url, key=None, retries=3), RecordingCalls())
        assert server.requests == []
    assert error.outcome is CallOutcome.UNAUTHENTICATED
    assert "it is not logged in" in error.message


async def test_a_refused_connection_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: no other process gets the port, and none answers
        error = await failed(decider(tmp_path, f"http://127.0.0.1:{reserved.getsockname()[1]}"), RecordingCalls())
    assert error.outcome is CallOutcome.UNREACHABLE
    assert "cannot reach the model's service" in error.message


async def test_a_refusal_is_reported(tmp_path: Path) -> None:
    with ModelServer([Reply(text="", stop_reason="refusal")]) as server:
        error = await failed(decider(tmp_path, server.url, retries=3), RecordingCalls())
    assert error.outcome is CallOutcome.REFUSED
    assert "refused to answer" in error.message


async def test_a_call_without_an_answer_is_killed_in_time(tmp_path: Path) -> None:
    calls = RecordingCalls()
    with ModelServer([Reply(stall=True)]) as server:
        error = await failed(decider(tmp_path, server.url, timeout=4.0), calls)
    assert error.outcome is CallOutcome.TIMED_OUT
    assert calls.outcomes == [CallOutcome.TIMED_OUT]


def groups_that_ask(url: str) -> dict[int, bytes]:
    """Process groups, with their command lines, of the programs that were pointed at the server."""
    found: dict[int, bytes] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"ANTHROPIC_BASE_URL={url}\0".encode() in (folder / "environ").read_bytes():
                group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
                found[group] = found.get(group, b"") + (folder / "cmdline").read_bytes()
        except OSError:
            continue
    return found


async def test_the_prompt_is_not_in_the_process_list_and_cancelling_ends_all_processes(tmp_path: Path) -> None:
    calls = RecordingCalls()
    with ModelServer([Reply(stall=True)]) as server:
        ai = decider(tmp_path, server.url)
        now = situation(desired_state="SECRET-WISH", seen=[seen("log", stdout="SECRET-LOG")])
        deciding = asyncio.create_task(ai.decide(now, calls))
        assert await asyncio.to_thread(server.asked.wait, LIMIT)
        [(group, commands)] = groups_that_ask(server.url).items()
        assert b"--json-schema" in commands
        assert b"SECRET" not in commands
        assert b"reconcile loop" not in commands
        deciding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deciding
        assert processes_of_group(group) == []
    assert "SECRET-LOG" in server.prompts()[0]
    assert calls.outcomes == [CallOutcome.UNKNOWN]
