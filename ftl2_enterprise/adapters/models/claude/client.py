"""A model that is called through the `claude` command-line program, which runs once per request."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.models import run_program
from ftl2_enterprise.adapters.models.claude import output as claude_output
from ftl2_enterprise.adapters.models.port import ModelError, ModelReply, ModelRequest
from ftl2_enterprise.protocol.loops.nouns import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

QUIET: dict[str, str] = {
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


class ClaudeModel:
    """A Model. The prompt is passed on standard input and the system prompt in a file, not in the process list."""

    provider: str = "claude"

    def __init__(
        self,
        *,
        command: str = "claude",
        model: str | None = None,
        timeout: float = 300.0,
        max_retries: int = 1,
        bare: bool | None = None,
        env: Mapping[str, str] | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        """`timeout` is in seconds. `max_retries` are retries of the program within a request.

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

    async def ask(self, request: ModelRequest) -> ModelReply:
        """Run the program for one request. Raises ModelError."""
        env = self._environment()
        program = _find(self._command, env.get("PATH"))
        if program is None:
            raise ModelError(
                f"cannot ask claude: the program {self._command!r} is not installed, or not in PATH; see"
                " https://docs.claude.com/claude-code or choose another decider",
                CallOutcome.NOT_INSTALLED,
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
            *("--no-session-persistence", "--strict-mcp-config", "--disable-slash-commands"),
            *("--json-schema", json.dumps(request.schema, separators=(",", ":"))),
        ]

    def _is_bare(self, env: Mapping[str, str]) -> bool:
        return bool(env.get("ANTHROPIC_API_KEY")) if self._bare is None else self._bare

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in NESTED | self._hidden}
        limits = {
            "CLAUDE_CODE_MAX_RETRIES": str(self._max_retries),
            "API_TIMEOUT_MS": str(max(1000, int(self._timeout * 1000))),
        }
        return kept | QUIET | limits | self._env


def _find(command: str, path: str | None) -> str | None:
    found = shutil.which(command, path=path)
    # Absolute, because the program starts in another directory.
    return str(Path(found).absolute()) if found else None


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace")
