"""The port for models: a request in, an answer or a typed failure out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from ftl2_enterprise.gate.effects import model_params
from ftl2_enterprise.loops.ports import ModelUsage
from ftl2_enterprise.protocol.loops.nouns import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl2_enterprise.gate.budgets import Amount
    from ftl2_enterprise.gate.permits import Permit


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One request to a model."""

    purpose: str
    """What the answer is for: `decide` or `repair`."""
    system: str
    """The constant part, equal in all requests for the same purpose."""
    prompt: str
    schema: Mapping[str, Any]
    """JSON Schema of the answer."""

    def digest(self) -> str:
        """SHA-256 of everything that is sent, as 64 hexadecimal digits."""
        form = json.dumps((self.system, self.prompt, self.schema), sort_keys=True, separators=(",", ":"))
        return sha256(form.encode()).hexdigest()

    def require(self, permit: Permit, *, provider: str, model: str | None) -> None:
        """Raise NotPermitted unless the permit was made for this request to that model."""
        params = model_params(model=model, purpose=self.purpose, digest=self.digest())
        permit.require_model_call(provider=provider, params=params)


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """The reply. A model that supports schemas returns a value, others return text."""

    text: str = ""
    value: Any = None
    usage: ModelUsage = field(default_factory=ModelUsage)


class ModelError(Exception):
    """No answer. `message` is one sentence that begins with "cannot"; a temporary failure may be retried."""

    def __init__(
        self,
        message: str,
        outcome: CallOutcome = CallOutcome.FAILED,
        *,
        temporary: bool = False,
        usage: ModelUsage | None = None,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message: str = message
        self.outcome: CallOutcome = outcome
        self.temporary: bool = temporary
        self.usage: ModelUsage = usage or ModelUsage()
        self.detail: str = detail
        """The output of the model or its program, to be stored."""
        self.retry_after: float | None = retry_after
        """Seconds for which the provider asks not to be called."""


class Model(Protocol):
    """Answers requests. It does not retry; the caller does, and records each attempt."""

    @property
    def provider(self) -> str:
        """The name of the provider, such as `claude`."""
        ...

    @property
    def model(self) -> str | None:
        """The requested model; None for the provider's default."""
        ...

    def bound(self, request: ModelRequest) -> Amount:
        """The most that the request may cost and use."""
        ...

    async def ask(self, request: ModelRequest, permit: Permit) -> ModelReply:
        """Answer one request, which the permit must be for. Raises ModelError and NotPermitted.

        Cancelling it ends all processes of the call.
        """
        ...
