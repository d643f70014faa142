"""Budgets: what a reservation may be, what counts after a call, and that no interleaving exceeds a limit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from ftl2_enterprise.gate.budgets import (
    Amount,
    Budget,
    Limit,
    Price,
    day_of,
    dollars_text,
    end_of_day,
    judge,
    micro,
    settle,
)

RUNS = 10_000
DAY = 86_400 * 1_000_000


def test_a_reservation_that_fits_exactly_is_allowed_and_one_more_is_not() -> None:
    budget = Budget(name="for this call", limit=Limit(cost=100, tokens=50), counted=Amount(60, 10))
    assert judge([budget], Amount(40, 40)) is None
    breach = judge([budget], Amount(41, 40))
    assert breach is not None
    assert (breach.of_tokens, breach.limit, breach.counted, breach.needed, breach.missing) == (False, 100, 60, 41, 1)
    breach = judge([budget], Amount(40, 42))
    assert breach is not None
    assert (breach.of_tokens, breach.missing) == (True, 2)


def test_a_budget_without_a_limit_refuses_nothing() -> None:
    assert judge([Budget(name="none", counted=Amount(10**18, 10**18), overruns=3)], Amount(10**9, 10**9)) is None
    assert judge([], Amount(1, 1)) is None


def test_the_first_budget_that_is_exceeded_is_named() -> None:
    small, large = Budget(name="today", limit=Limit(cost=1)), Budget(name="in all", limit=Limit(cost=5))
    breach = judge([large, small], Amount(cost=3))
    assert breach is not None
    assert breach.budget == "today"
    assert breach.sentence("ask") == (
        "cannot ask: the call may need 0.000003 USD, and 0.00 USD of the 0.000001 USD today are used or reserved"
    )


def test_a_budget_with_an_overrun_is_blocked_although_there_is_room() -> None:
    breach = judge([Budget(name="today", limit=Limit(tokens=1000), counted=Amount(tokens=10), overruns=1)], Amount())
    assert breach is not None
    assert breach.missing == 0
    assert "used more than it had reserved" in breach.sentence("ask")


@pytest.mark.parametrize(
    ("cost", "tokens", "counted", "is_known", "overran"),
    [
        (None, None, Amount(100, 10), False, False),
        (30, None, Amount(30, 10), False, False),
        (None, 4, Amount(100, 4), False, False),
        (0, 0, Amount(0, 0), True, False),
        (100, 10, Amount(100, 10), True, False),
        (101, 10, Amount(101, 10), True, True),
        (None, 11, Amount(100, 11), False, True),
    ],
)
def test_what_is_unknown_counts_as_reserved(cost, tokens, counted, is_known, overran) -> None:
    found = settle(Amount(100, 10), cost=cost, tokens=tokens)
    assert (found.counted, found.is_known, found.overran) == (counted, is_known, overran)


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [(0.0, 0), (0.29, 290_000), (0.1 + 0.2, 300_000), (0.0000001, 1), (1e9, 10**15), (0.01, 10_000)],
)
def test_money_is_rounded_up_to_a_millionth_and_not_by_the_error_of_a_float(dollars, expected) -> None:
    assert micro(dollars) == expected


def test_a_price_is_per_million_tokens() -> None:
    assert Price(3.0, 15.0).cost(input_tokens=1000, output_tokens=200) == 6000
    assert Price(0.1, 0.0).cost(input_tokens=1, output_tokens=5) == 1


def test_amounts_are_shown_in_cents_and_small_ones_exactly() -> None:
    shown = [dollars_text(amount) for amount in (0, 1, 10_000, 99_999, 100_000, 1_234_567)]
    assert shown == ["0.00 USD", "0.000001 USD", "0.01 USD", "0.099999 USD", "0.10 USD", "1.24 USD"]


def test_a_day_ends_at_midnight_in_utc() -> None:
    assert (day_of(0), day_of(DAY - 1), day_of(DAY)) == (0, 0, 1)
    assert end_of_day(0) == DAY
    assert day_of(end_of_day(7)) == 8


# --- interleavings -------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """A call in flight: the day on which it reserved, its bound, and what it will really use."""

    owner: int
    day: int
    reserved: Amount
    used: Amount
    spent: Amount = field(default_factory=Amount)
    """What the provider has charged so far."""


@dataclass
class World:
    """Callers of one account on simulated days. `charged` is what the provider charges, by budget."""

    chance: random.Random
    daily: Limit
    own: Limit
    day: int = 0
    counted: dict[str, Amount] = field(default_factory=dict[str, Amount])
    charged: dict[str, Amount] = field(default_factory=dict[str, Amount])
    open: list[Call] = field(default_factory=list[Call])
    begun: int = 0
    refused: int = 0
    killed: int = 0

    def names(self, owner: int, day: int) -> dict[str, Limit]:
        return {f"caller {owner}": self.own, f"day {day}": self.daily}

    def begin(self, owner: int) -> None:
        """Check and reserve in one step, as one transaction does."""
        used = Amount(self.chance.randint(0, 60), self.chance.randint(0, 60))
        bound = Amount(used.cost + self.chance.randint(0, 30), used.tokens + self.chance.randint(0, 30))
        names = self.names(owner, self.day)
        budgets = [
            Budget(name=name, limit=limit, counted=self.counted.get(name, Amount())) for name, limit in names.items()
        ]
        if judge(budgets, bound) is not None:
            self.refused += 1
            return
        for name in names:
            self.counted[name] = self.counted.get(name, Amount()) + bound
        self.open.append(Call(owner, self.day, bound, used))
        self.begun += 1

    def charge(self, call: Call, share: float) -> None:
        """The provider charges a part of the call, which is not known here yet."""
        upto = Amount(round(call.used.cost * share), round(call.used.tokens * share))
        more = Amount(max(0, upto.cost - call.spent.cost), max(0, upto.tokens - call.spent.tokens))
        call.spent = call.spent + more
        for name in self.names(call.owner, call.day):
            self.charged[name] = self.charged.get(name, Amount()) + more

    def end(self, call: Call, *, is_killed: bool) -> None:
        """The call ends with its usage, or its process dies at any point before that is stored."""
        self.open.remove(call)
        self.charge(call, self.chance.random() if is_killed else 1.0)
        cost = None if is_killed or self.chance.random() < 0.1 else call.spent.cost
        tokens = None if is_killed or self.chance.random() < 0.1 else call.spent.tokens
        found = settle(call.reserved, cost=cost, tokens=tokens)
        assert not found.overran
        for name in self.names(call.owner, call.day):
            self.counted[name] = self.counted[name] + found.counted - call.reserved
        self.killed += is_killed

    def check(self) -> None:
        for name, charged in self.charged.items():
            counted = self.counted[name]
            limit = self.daily if name.startswith("day") else self.own
            assert charged.cost <= counted.cost <= (limit.cost or 0), name
            assert charged.tokens <= counted.tokens <= (limit.tokens or 0), name


def simulate(seed: int) -> World:
    """Some steps in a random order: begin, charge, settle, kill one process or all, change the day."""
    chance = random.Random(seed)
    world = World(
        chance,
        daily=Limit(cost=chance.randint(0, 600), tokens=chance.randint(0, 600)),
        own=Limit(cost=chance.randint(0, 300), tokens=chance.randint(0, 300)),
    )
    for _ in range(chance.randint(5, 40)):
        match chance.choices(("begin", "charge", "end", "kill", "restart", "day"), (40, 15, 25, 10, 3, 5))[0]:
            case "begin":
                world.begin(chance.randrange(4))
            case "day":
                world.day += chance.choice((1, 1, -1))
            case "restart":
                for call in list(world.open):
                    world.end(call, is_killed=True)
            case _ if not world.open:
                pass
            case "charge":
                world.charge(chance.choice(world.open), chance.random())
            case done:
                world.end(chance.choice(world.open), is_killed=done == "kill")
        world.check()
    return world


def test_no_interleaving_and_no_kill_exceeds_a_budget() -> None:
    begun = refused = killed = 0
    for seed in range(RUNS):
        world = simulate(seed)
        begun, refused, killed = begun + world.begun, refused + world.refused, killed + world.killed
    # The runs are about something: calls began, were refused, and were killed.
    assert min(begun, refused, killed) > RUNS


def test_without_the_reservation_the_same_simulation_finds_budgets_that_are_exceeded(monkeypatch) -> None:
    """The negative test: a check of what is known to be spent, without a reservation, is not enough."""
    real = judge
    monkeypatch.setattr(f"{__name__}.judge", lambda budgets, needed: real(budgets, Amount()))
    with pytest.raises(AssertionError):
        _ = [simulate(seed) for seed in range(100)]
