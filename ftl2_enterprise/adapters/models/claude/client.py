"""A model that is called through the `claude` command-line program, which runs once per request."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.models import run_program
from ftl2_enterprise.adapters.models.claude import output as claude_output
from ftl2_enterprise.adapters.models.port import ModelError, ModelReply, ModelRequest
from ftl2_enterprise.gate.budgets import MICRO, Amount, micro
from ftl2_enterprise.loops.ports import ModelUsage
from ftl2_enterprise.protocol.loops.nouns import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ftl2_enterprise.gate.budgets import Price
    from ftl2_enterprise.gate.permits import Permit

TURNS = 1
"""`--max-turns`: an answer that does not fit the schema ends the program instead of costing another request."""
MOST_REQUESTS = 4
"""Requests of one run of the program. It continues an answer that the limit of output tokens has truncated, at most
three times and within the same turn; `--max-budget-usd` ends that earlier, as it is checked before each request."""
OVERHEAD = 8_000
"""Input tokens that the program and the provider add to the request."""
CONTINUED = 1_000
"""Input tokens that the program adds when it continues an answer."""
QUIET: dict[str, str] = {
    # A request that fails while its answer is streamed would be repeated, and both would be paid for.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
}
NESTED = frozenset({"CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT"})
"""Variables by which `claude` detects that it runs inside itself, which changes its behavior."""
CREDENTIALS = frozenset({"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"})
"""Variables with which `claude` authenticates; other programs must not receive them."""
SYSTEM_FILE = "system.txt"
FREE = ModelUsage(input_tokens=0, output_tokens=0, cost_usd=0.0)
"""The usage of a call that was never sent."""


class ClaudeModel:
    """A Model. The prompt is passed on standard input and the system prompt in a file, not in the process list."""

    provider: str = "claude"

    def __init__(  # noqa: PLR0913 - each is a setting or a limit of the program
        self,
        *,
        command: str = "claude",
        model: str | None = None,
        timeout: float = 300.0,
        max_retries: int = 0,
        bare: bool | None = None,
        price: Price | None = None,
        max_call_cost: float = 1.0,
        max_output_tokens: int = 16_000,
        env: Mapping[str, str] | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        """`timeout` is in seconds. `max_retries` are retries of the program within a request.

        `price` is that of the model; without one a call reserves `max_call_cost` US dollars. `max_output_tokens`
        limits each answer.

        `bare` ignores the user's configuration of `claude` and needs an API key; None uses it if there is a key.
        `env` is added to the environment; the variables in `hidden`, which contain secrets of the loop, are removed.
        """
        self.model: str | None = model
        self._command = command
        self._timeout = timeout
        self._max_retries = max_retries
        self._bare = bare
        self._env = dict(env or {})
        self._hidden = frozenset(hidden)
        self._price = price
        self._max_call_cost = micro(max_call_cost)
        self._max_output_tokens = max_output_tokens

    def bound(self, request: ModelRequest) -> Amount:
        """The most that one run of the program may cost and use.

        A token has at least one byte, so a request has at most as many tokens as bytes, and what the program adds.
        Each answer that is continued is part of the input of the next request. The program begins a request only
        while it has spent less than `--max-budget-usd`; the last one may exceed that.
        """
        sent, output = self._input_tokens(request), self._max_output_tokens
        continued = (MOST_REQUESTS - 1) * (output + CONTINUED)
        total = MOST_REQUESTS * (sent + output) + MOST_REQUESTS // 2 * continued
        if self._price is None:
            return Amount(self._max_call_cost, total)
        last = self._price.cost(input_tokens=sent + continued, output_tokens=output)
        return Amount(self._spending_limit(request) + last, total)

    def _input_tokens(self, request: ModelRequest) -> int:
        texts = (request.system, request.prompt, _compact(request.schema))
        return sum(len(text.encode("utf-8", "replace")) for text in texts) + OVERHEAD

    def _spending_limit(self, request: ModelRequest) -> int:
        """What the program may have spent before it begins another request: enough for one, in millionths."""
        if self._price is None:
            return max(1, self._max_call_cost // 2)
        sent = self._input_tokens(request)
        return max(1, self._price.cost(input_tokens=sent, output_tokens=self._max_output_tokens))

    async def ask(self, request: ModelRequest, permit: Permit) -> ModelReply:
        """Run the program for one request. Raises ModelError and NotPermitted."""
        request.require(permit, provider=self.provider, model=self.model)
        env = self._environment()
        program = _find(self._command, env.get("PATH"))
        if program is None:
            raise ModelError(
                f"cannot ask claude: the program {self._command!r} is not installed, or not in PATH; see"
                " https://docs.claude.com/claude-code or choose another decider",
                CallOutcome.NOT_INSTALLED,
                usage=FREE,
            )
        # In a separate directory: CLAUDE.md and settings in the directory of the loop must not affect it.
        with tempfile.TemporaryDirectory(prefix="ftl2-model-", ignore_cleanup_errors=True) as folder:
            _write(Path(folder, SYSTEM_FILE), request.system)
            try:
                ended = await run_program.run(
                    [program, *self._arguments(request, env)],
                    given=request.prompt.encode("utf-8", "replace"),
                    env=env,
                    cwd=folder,
                    timeout=self._timeout,
                )
            except TimeoutError as error:
                raise ModelError(
                    f"cannot get an answer from claude: it took more than {self._timeout:g} seconds and was killed",
                    CallOutcome.TIMED_OUT,
                    temporary=True,
                ) from error
            except OSError as error:
                raise ModelError(
                    f"cannot ask claude: {program} cannot be started: {error.strerror or error}",
                    CallOutcome.NOT_INSTALLED,
                    usage=FREE,
                ) from error
        return claude_output.reply_in(ended, asked_for=self.model, bare=self._is_bare(env))

    def _arguments(self, request: ModelRequest, env: Mapping[str, str]) -> list[str]:
        return [
            "-p",
            *(["--model", self.model] if self.model else []),
            *("--output-format", "json"),
            *(["--bare"] if self._is_bare(env) else []),
            *("--tools", ""),
            *("--system-prompt-file", SYSTEM_FILE),
            *("--max-turns", str(TURNS), "--max-budget-usd", f"{self._spending_limit(request) / MICRO:.6f}"),
            *("--no-session-persistence", "--strict-mcp-config", "--disable-slash-commands"),
            *("--json-schema", _compact(request.schema)),
        ]

    def _is_bare(self, env: Mapping[str, str]) -> bool:
        return bool(env.get("ANTHROPIC_API_KEY")) if self._bare is None else self._bare

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in NESTED | self._hidden}
        limits = {
            "CLAUDE_CODE_MAX_RETRIES": str(self._max_retries),
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(self._max_output_tokens),
            "API_TIMEOUT_MS": str(max(1000, int(self._timeout * 1000))),
        }
        return kept | QUIET | limits | self._env


def _compact(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, separators=(",", ":"))


def _find(command: str, path: str | None) -> str | None:
    found = shutil.which(command, path=path)
    # Absolute, because the program starts in another directory.
    return str(Path(found).absolute()) if found else None


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace")
