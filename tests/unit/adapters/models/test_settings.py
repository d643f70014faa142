"""Prices of models, and what is refused of the section `[model]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftl2_enterprise.adapters.models.settings import ModelSettings, price_of
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.gate.budgets import MICRO, Limit, Price
from ftl2_enterprise.wiring.loops.build import model_limits
from ftl2_enterprise.wiring.settings import MODEL

HOME = {"HOME": "/home/someone"}
PRICES = ("claude-sonnet-*=3.75/15", "opus = 18.75/75", "*=30/150")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-sonnet-5", Price(3.75, 15.0)),
        ("opus", Price(18.75, 75.0)),
        ("another", Price(30.0, 150.0)),
        (None, Price(30.0, 150.0)),
    ],
)
def test_the_first_pattern_that_matches_gives_the_price(model: str | None, expected: Price) -> None:
    assert price_of(PRICES, model) == expected


def test_a_model_without_a_price_has_none() -> None:
    assert price_of(PRICES[:2], "another") is None
    assert price_of(PRICES[:2], None) is None


@pytest.mark.parametrize(
    "entry", ["opus", "opus=", "=1/2", "opus=1", "opus=1/2/3", "opus=-1/2", "opus=nan/1", "a=x/y"]
)
def test_a_price_that_cannot_be_read_is_refused_with_its_file(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[model]\nprices = ["{entry}"]\n')
    with pytest.raises(Problem) as caught:
        MODEL.load(config=path, environ=HOME)
    for words in (repr(entry), "model.prices", "MODEL=INPUT/OUTPUT", str(path)):
        assert words in str(caught.value)


def test_the_pause_of_the_breaker_is_at_most_its_cap(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[model]\nbreaker_pause = 60\nbreaker_cap = 30\n")
    with pytest.raises(Problem, match="breaker_cap"):
        MODEL.load(config=path, environ=HOME)


def test_the_limits_of_all_calls_come_from_the_settings() -> None:
    environ = {
        **HOME,
        "FTL2_ENTERPRISE_MODEL_DAILY_COST": "2.5",
        "FTL2_ENTERPRISE_MODEL_DAILY_TOKENS": "1000",
        "FTL2_ENTERPRISE_MODEL_PARALLEL": "4",
        "FTL2_ENTERPRISE_MODEL_RATE": "30",
    }
    loaded = MODEL.load(environ=environ, etc=Path("/nowhere")).settings.section(ModelSettings)
    limits = model_limits(loaded)
    assert limits.daily == Limit(cost=5 * MICRO // 2, tokens=1000)
    assert (limits.parallel, limits.rate) == (4, 30)
