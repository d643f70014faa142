"""What deciding with a model needs of one: a request in, an answer or a named failure out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ftl2_enterprise.loops.ports import ModelUsage
from ftl2_enterprise.protocol.loops.nouns import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One question to a model."""

    system: str
    """What always holds; the same in every request of a purpose."""
    prompt: str
    schema: Mapping[str, Any]
    """JSON Schema of the answer."""


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """What came back. A model that honours the schema gives a value, any other gives text."""

    text: str = ""
    value: Any = None
    usage: ModelUsage = field(default_factory=ModelUsage)


class ModelError(Exception):
    """No answer. `message` is one sentence beginning "cannot"; a temporary failure is worth another try."""

    def __init__(
        self,
        message: str,
        outcome: CallOutcome = CallOutcome.FAILED,
        *,
        temporary: bool = False,
        usage: ModelUsage | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message: str = message
        self.outcome: CallOutcome = outcome
        self.temporary: bool = temporary
        self.usage: ModelUsage = usage or ModelUsage()
        self.detail: str = detail
        """What the model or its program said, for the record."""


class Model(Protocol):
    """Something that answers requests. It does not retry: that is the caller's, who records each try."""

    @property
    def provider(self) -> str:
        """`claude` ..."""
        ...

    @property
    def model(self) -> str | None:
        """The model that is asked for; None leaves it to the provider."""
        ...

    async def ask(self, request: ModelRequest) -> ModelReply:
        """Raises ModelError. Cancelling leaves no process behind."""
        ...
