"""Parses the output of `claude --output-format json`: an answer, or the reason for its absence. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.adapters.models.port import ModelError, ModelReply
from ftl2_enterprise.core.shorten import shorten_middle
from ftl2_enterprise.loops.ports import ModelUsage
from ftl2_enterprise.protocol.loops.nouns import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.adapters.models.run_program import ProgramResult

DETAIL = 4_000
"""Characters of the output that are stored when the program failed."""
MAX_QUOTED = 300
"""Characters of the output in a message."""


def reply_in(ended: ProgramResult, *, asked_for: str | None, bare: bool) -> ModelReply:
    """The reply. Raises ModelError."""
    stdout = ended.stdout.decode("utf-8", "replace")
    if ended.truncated:
        # Truncated output is not valid JSON; a short beginning is enough to show it.
        return ModelReply(text=shorten_middle(stdout, DETAIL), usage=ModelUsage(model=asked_for))
    result = _result(stdout)
    if result is None:
        return _unreadable(ended, stdout, asked_for=asked_for)
    usage = _usage(result, asked_for)
    text = _clean(str(result.get("result") or ""))
    # `subtype` is `success` even for a failed request; only `is_error` is reliable.
    if not result.get("is_error") and result.get("subtype", "success") == "success":
        return ModelReply(text=text, value=result.get("structured_output"), usage=usage)
    if result.get("subtype") in NO_FITTING_ANSWER:
        return ModelReply(text=text or "(the model gave no answer that fits the schema)", usage=usage)
    failure = _failure(result, text, asked_for or usage.model, bare=bare)
    raise ModelError(
        failure.message,
        failure.outcome,
        temporary=failure.temporary,
        # The program reports what it knows of; the provider may charge for a request that it did not see answered.
        usage=ModelUsage(model=usage.model) if failure.is_cut else usage,
        retry_after=_retry_after(result, text),
        detail=shorten_middle(text or stdout, DETAIL),
    )


@dataclass(frozen=True)
class _ModelFailure:
    message: str
    outcome: CallOutcome = CallOutcome.FAILED
    temporary: bool = False
    is_cut: bool = False
    """A request may have reached the provider and been interrupted, so its usage is unknown."""


NO_FITTING_ANSWER = {"error_max_structured_output_retries", "error_max_turns"}
"""Subtypes of a result whose answer did not fit the schema."""
_LIMIT = re.compile(
    r"usage limit|hit your .*limit|credit balance|spend(ing)? limit|out of (extra )?usage|quota", re.I
)
_LOGIN = re.compile(r"not logged in|run /login|oauth token|log in again", re.I)
_KEY = re.compile(r"invalid (x-)?api[- ]key|authentication", re.I)
_TIMED_OUT = re.compile(r"timed? ?out|ETIMEDOUT", re.I)
_NETWORK = re.compile(
    r"unable to connect|connection|ECONN\w+|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|socket|fetch failed|network"
    r"|certificate|DNS",
    re.I,
)


_NEVER_SENT = re.compile(r"unable to connect|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|DNS", re.I)
_RETRY_AFTER = re.compile(r"retry[- ]after[:\s]+(\d{1,6})|(?:retry|try again) (?:after|in) (\d{1,6}) ?s", re.I)


def _retry_after(result: Mapping[str, Any], text: str) -> float | None:
    """The pause in seconds that the provider asks for, if the program reports it."""
    given = result.get("retry_after")
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < math.inf:
        return float(given)
    match = _RETRY_AFTER.search(text)
    return None if match is None else float(match[1] or match[2])


def _failure(result: Mapping[str, Any], text: str, model: str | None, *, bare: bool) -> _ModelFailure:
    status = result.get("api_error_status")
    status = status if isinstance(status, int) else None
    message = _line(text)
    if result.get("stop_reason") == "refusal":
        return _ModelFailure(
            "cannot get a decision from claude: the model refused to answer this request", CallOutcome.REFUSED
        )
    if result.get("subtype") == "error_max_budget_usd" or _LIMIT.search(text):
        return _ModelFailure(
            f"cannot ask claude: its spending or usage limit is reached: {message}", CallOutcome.REFUSED
        )
    if status is None and _LOGIN.search(text):
        how = "set ANTHROPIC_API_KEY (in bare mode a login is not read)" if bare else (
            "set ANTHROPIC_API_KEY, or run `claude` and /login as the user that runs the loop"
        )  # fmt: skip
        return _ModelFailure(f"cannot ask claude: it is not logged in; {how}", CallOutcome.UNAUTHENTICATED)
    if status == 401 or (status is None and _KEY.search(text)):
        return _ModelFailure(
            "cannot ask claude: the API key or login is not accepted; check ANTHROPIC_API_KEY, or log in again",
            CallOutcome.UNAUTHENTICATED,
        )
    if status is not None:
        return _by_status(status, message, model)
    if _TIMED_OUT.search(text):
        return _ModelFailure(
            "cannot get an answer from claude: its request timed out",
            CallOutcome.TIMED_OUT,
            temporary=True,
            is_cut=True,
        )
    if result.get("api_error") == "connection_failed" or _NETWORK.search(text):
        return _ModelFailure(
            f"cannot reach the model's service: {message}",
            CallOutcome.UNREACHABLE,
            temporary=True,
            is_cut=_NEVER_SENT.search(text) is None,
        )
    reason = message or str(result.get("subtype") or "it gave no reason")
    return _ModelFailure(f"cannot get an answer from claude: {reason}")


def _by_status(status: int, message: str, model: str | None) -> _ModelFailure:
    match status:
        case 403:
            return _ModelFailure(
                f"cannot ask claude: this account lacks the permission: {message}", CallOutcome.UNAUTHENTICATED
            )
        case 404:
            name = f"the model {model!r}" if model else "the model"
            return _ModelFailure(f"cannot ask claude: {name} does not exist, or this account may not use it")
        case 413:
            return _ModelFailure("cannot ask claude: the request is too large for the service")
        case 429:
            return _ModelFailure("cannot ask claude: too many requests (rate limit)", temporary=True)
        case 408 | 504:
            return _ModelFailure(
                "cannot get an answer from claude: its request timed out",
                CallOutcome.TIMED_OUT,
                temporary=True,
                is_cut=True,
            )
        case 503 | 529:
            return _ModelFailure("cannot ask claude: the service is overloaded", temporary=True)
        case _ if status >= 500:
            return _ModelFailure(f"cannot get an answer from claude: the service failed ({status})", temporary=True)
        case _:
            return _ModelFailure(f"cannot ask claude: the service refused the request ({status}): {message}")


def _unreadable(ended: ProgramResult, stdout: str, *, asked_for: str | None) -> ModelReply:
    """Output without a result object: the text is the answer if the exit status is 0, else a failure."""
    if ended.status == 0:
        return ModelReply(text=stdout, usage=ModelUsage(model=asked_for))
    stderr = ended.stderr.decode("utf-8", "replace")
    message = _line(stderr) or _line(stdout)
    how = f"signal {-ended.status}" if ended.status < 0 else f"status {ended.status}"
    raise ModelError(
        f"cannot get an answer from claude: it ended with {how}" + (f": {message}" if message else ""),
        CallOutcome.FAILED,
        # A kill from outside (the kernel, out of memory) is temporary; an invalid option is not.
        temporary=ended.status < 0,
        usage=ModelUsage(model=asked_for),
        detail=shorten_middle(stderr or stdout, DETAIL),
    )


def _result(stdout: str) -> Mapping[str, Any] | None:
    """The last result object: the whole output, a line of it, or the last item of a list."""
    for candidate in (stdout, *reversed([line for line in stdout.splitlines() if line.startswith(("{", "["))][-20:])):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        items = cast("list[Any]", value if isinstance(value, list) else [value])
        for item in reversed(items):
            if isinstance(item, dict) and cast("dict[str, Any]", item).get("type") == "result":
                return cast("dict[str, Any]", item)
    return None


def _usage(result: Mapping[str, Any], asked_for: str | None) -> ModelUsage:
    given = result.get("usage")
    counts = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    cost = result.get("total_cost_usd")
    used = result.get("modelUsage")
    by_model = cast("dict[str, Any]", used) if isinstance(used, dict) else {}
    inputs = [_count(counts.get(key)) for key in
              ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")]  # fmt: skip
    of_inputs = sum(n or 0 for n in inputs) if any(n is not None for n in inputs) else None
    outputs = _count(counts.get("output_tokens"))
    # The usage is that of the conversation; the program may have called other models, too, and lists all of them.
    every = [cast("dict[str, Any]", one) for one in by_model.values() if isinstance(one, dict)]
    return ModelUsage(
        input_tokens=_most(of_inputs, every, ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")),
        output_tokens=_most(outputs, every, ("outputTokens",)),
        cost_usd=float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= 0 else None,
        model=next(iter(by_model), asked_for),
    )


def _most(reported: int | None, by_model: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int | None:
    if not by_model:
        return reported
    total = sum(_count(one.get(key)) or 0 for one in by_model for key in keys)
    return max(total, reported or 0)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _clean(text: str) -> str:
    """The text without lone surrogates, which JSON can represent and the database cannot."""
    return text.encode("utf-8", "replace").decode()


def _line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= MAX_QUOTED else f"{line[: MAX_QUOTED - 3]}..."
