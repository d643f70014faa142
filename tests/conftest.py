"""What holds for the tests of every directory."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that is busy with other tests is slow: that is no property of what is tested. And where a test shares a
# fixture between its examples, it does so on purpose.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any machine")
