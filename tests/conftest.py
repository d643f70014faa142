"""What holds for the tests of every directory."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# What runs in the background of a script, or under nohup, ignores these, and so would every program of a test.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# A machine that is busy with other tests is slow: that is no property of what is tested. And where a test shares a
# fixture between its examples, it does so on purpose.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any machine")
