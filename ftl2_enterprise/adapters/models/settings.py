"""The section `[model]` of the settings."""

from __future__ import annotations

import math
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from ftl2_enterprise.core.quantities import LARGEST_TOKENS
from ftl2_enterprise.core.settings.sections import Count, Dollars, Pause, Seconds, Section
from ftl2_enterprise.core.wire import Strict
from ftl2_enterprise.gate.budgets import Price

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.settings.sections import Refuse

type Tokens = Annotated[int, Meta(ge=0, le=LARGEST_TOKENS)]


class Provider(StrEnum):
    """Who decides when the desired state is no manifest; the empty one means rules alone."""

    NONE = ""
    CLAUDE = "claude"


class ModelSettings(Strict, frozen=True, kw_only=True):
    """How a model is reached, and what it may cost."""

    provider: Provider = Provider.NONE
    command: str = "claude"
    model: str = ""
    timeout: Seconds = 180.0
    retries: Annotated[int, Meta(ge=0, le=1000)] = 2
    bare: bool = False
    max_cost: Dollars | None = None
    max_tokens: Tokens | None = None
    daily_cost: Dollars | None = None
    daily_tokens: Tokens | None = None
    prices: tuple[str, ...] = ()
    """`MODEL=INPUT/OUTPUT`, in US dollars per million tokens; MODEL may be a pattern with `*`."""
    max_call_cost: Dollars = 1.0
    """What a call of a model without a price reserves, in US dollars."""
    max_output_tokens: Annotated[int, Meta(ge=1000, le=1_000_000)] = 16_000
    parallel: Count | None = None
    rate: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Calls in any minute."""
    breaker_failures: Count = 5
    """Calls in a row that fail because of the provider, after which no more are made for a while."""
    breaker_pause: Seconds = 30.0
    """How long none is made at first; it doubles with every probe that fails."""
    breaker_cap: Pause = 600.0


def price_of(prices: Iterable[str], model: str | None) -> Price | None:
    """The price of a model, by the first entry whose pattern matches it; None when there is none.

    The default of the provider has no name: only the pattern `*` matches it. Raises ValueError for an invalid entry.
    """
    for entry in prices:
        pattern, price = _parsed(entry)
        if fnmatchcase(model or "", pattern):
            return price
    return None


def _parsed(entry: str) -> tuple[str, Price]:
    pattern, separator, amounts = entry.rpartition("=")
    numbers = amounts.split("/")
    try:
        price = Price(*(float(number) for number in numbers)) if len(numbers) == 2 else None
    except ValueError:
        price = None
    if not separator or not pattern.strip() or price is None or not _is_valid(price):
        raise ValueError(
            "expected MODEL=INPUT/OUTPUT in US dollars per million tokens, such as claude-sonnet-*=3.75/15"
        )
    return pattern.strip(), price


def _is_valid(price: Price) -> bool:
    return all(math.isfinite(number) and number >= 0 for number in (price.input, price.output))


def _check(section: ModelSettings, refuse: Refuse) -> None:
    for entry in section.prices:
        try:
            price_of([entry], None)
        except ValueError as error:
            refuse("prices", entry, str(error))
    if section.breaker_cap < section.breaker_pause:
        refuse("breaker_cap", section.breaker_cap, f"it is less than breaker_pause ({section.breaker_pause:g})")


SECTION = Section(name="model", model=ModelSettings, check=_check)
