"""Budgets: what calls may cost and use, counted before each call at its upper bound and corrected after it. Pure.

A call *reserves* the most that it can cost before it begins. When it has ended and its usage is known, the usage is
counted instead; until then, and permanently if it never becomes known, the reservation counts. The sum of what is
counted therefore never is less than what was spent, and a budget that no reservation may exceed is never exceeded,
however calls interleave and whenever a process dies, as long as each bound is a bound. A call that used more than it
reserved shows that its bound was none: the excess counts, and the budget is blocked until a person decides.

Money is in whole millionths of a US dollar, rounded up, because sums of floats are not exact.
"""

from __future__ import annotations

import math

import msgspec

MICRO = 1_000_000
"""Units of money in one US dollar."""
_DAY = 86_400 * 1_000_000
"""Microseconds."""


class Amount(msgspec.Struct, frozen=True):
    """Money and tokens. Neither is negative, except in a difference."""

    cost: int = 0
    """Millionths of a US dollar."""
    tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cost + other.cost, self.tokens + other.tokens)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cost - other.cost, self.tokens - other.tokens)


class Limit(msgspec.Struct, frozen=True):
    """The most that may be counted; None is no limit."""

    cost: int | None = None
    tokens: int | None = None

    @property
    def is_none(self) -> bool:
        """Whether nothing is limited."""
        return self.cost is None and self.tokens is None

    def raised(self, by: Amount) -> Limit:
        """The limit after a person has raised it."""
        return Limit(
            None if self.cost is None else self.cost + by.cost,
            None if self.tokens is None else self.tokens + by.tokens,
        )


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One budget, and what is counted against it."""

    name: str
    """As in a sentence: `today`."""
    limit: Limit = Limit()
    counted: Amount = Amount()
    overruns: int = 0
    """Calls that used more than they had reserved, since a person last decided about this budget."""


class Breach(msgspec.Struct, frozen=True, kw_only=True, tag="breach"):
    """Why a call may not begin: the budget, and the numbers that the decision is made with."""

    budget: str
    """The name of the budget."""
    of_tokens: bool
    """The limit of tokens is reached, not that of money."""
    limit: int
    counted: int
    needed: int
    """What the call would reserve. All three are in the unit of the limit."""
    overran: bool = False
    """An earlier call used more than it had reserved."""

    @property
    def missing(self) -> int:
        """By how much the limit has to be raised for this one call."""
        return max(0, self.counted + self.needed - self.limit)

    def sentence(self, what: str) -> str:
        """The reason for people; `what` cannot be done, as in `cannot WHAT: the call may need ...`."""
        shown = tokens_text if self.of_tokens else dollars_text
        of_limit = f"{shown(self.counted)} of the {shown(self.limit)} {self.budget} are used or reserved"
        if self.overran:
            return f"cannot {what}: an earlier call used more than it had reserved, and {of_limit}"
        return f"cannot {what}: the call may need {shown(self.needed)}, and {of_limit}"


def judge(budgets: list[Budget], needed: Amount) -> Breach | None:
    """The first budget that the reservation would exceed, or that is blocked; None if the call may begin."""
    for budget in budgets:
        for of_tokens, limit, counted, more in (
            (False, budget.limit.cost, budget.counted.cost, needed.cost),
            (True, budget.limit.tokens, budget.counted.tokens, needed.tokens),
        ):
            if limit is not None and (counted + more > limit or budget.overruns):
                return Breach(
                    budget=budget.name,
                    of_tokens=of_tokens,
                    limit=limit,
                    counted=counted,
                    needed=more,
                    overran=bool(budget.overruns),
                )
    return None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What counts for a call that has ended."""

    counted: Amount
    is_known: bool
    """Whether both parts of the usage are known; a part that is not counts as reserved."""
    overran: bool
    """The call used more than it had reserved."""


def settle(reserved: Amount, *, cost: int | None, tokens: int | None) -> Settlement:
    """What counts for a call that reserved an amount and reports its usage; None is unknown."""
    counted = Amount(reserved.cost if cost is None else cost, reserved.tokens if tokens is None else tokens)
    return Settlement(
        counted=counted,
        is_known=cost is not None and tokens is not None,
        overran=counted.cost > reserved.cost or counted.tokens > reserved.tokens,
    )


class Price(msgspec.Struct, frozen=True):
    """The price of tokens, in US dollars per million of them: which is millionths of a dollar per token."""

    input: float
    """The highest price of an input token, that of writing it to a cache included."""
    output: float

    def cost(self, *, input_tokens: int, output_tokens: int) -> int:
        """The cost of these tokens in millionths of a US dollar, rounded up."""
        return _rounded_up(input_tokens * self.input + output_tokens * self.output)


def micro(dollars: float) -> int:
    """US dollars in whole millionths, rounded up."""
    return _rounded_up(dollars * MICRO)


def _rounded_up(value: float) -> int:
    # Rounded to a thousandth first: 0.29 * 1_000_000 is a little more than 290000 as a float.
    return math.ceil(round(value, 3))


def dollars_text(amount: int) -> str:
    """An amount of money for people, rounded up to cents, or exactly if it is small."""
    if 0 < amount < 10 * MICRO // 100:
        return f"{amount / MICRO:.6f}".rstrip("0").ljust(4, "0") + " USD"
    return f"{math.ceil(amount * 100 / MICRO) / 100:.2f} USD"


def tokens_text(amount: int) -> str:
    """A number of tokens for people."""
    return f"{amount} tokens"


def day_of(instant: int) -> int:
    """The day of an instant, in UTC: days since 1970-01-01. An instant is in microseconds."""
    return instant // _DAY


def end_of_day(day: int) -> int:
    """The first instant after the day."""
    return (day + 1) * _DAY
