"""Parameters of built-in observations: values that could pass for an option, a pattern or a path are refused."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.adapters.hosts.remote.observing.parameters import PARAMETERS, CannotObserve, validated
from ftl2_enterprise.adapters.hosts.remote.observing.subjects import FUNCTIONS

OPTIONS = ["-a", "--root=/", "--host=evil", "-H evil", "--", "-", "--machine=.host"]
NOT_NAMES = [
    "",
    " ",
    "a b",
    "a\nb",
    "a;b",
    "a|b",
    "$(id)",
    "`id`",
    "a\0b",
    "*",
    "a/b",
    "../x",
    "x" * 300,
    7.5,
    {},
    None,
    True,
]

HOSTILE: list[tuple[str, str, Any]] = [
    *(("unit", "name", value) for value in [*OPTIONS, *NOT_NAMES, ["a", "b"], "a,b", "[ab]", "\u0430"]),
    *(("journal", "unit", value) for value in [*OPTIONS, *(v for v in NOT_NAMES if v is not None),
    "a.service\n", "é"]),
    *(
        ("journal", "since", value)
        for value in ["--file=/etc/shadow", "-1h", "@0", "yesterday", "1h; id", "1h\n", "2026-1-1", "1e9", -5,
        True, "", "9" * 30]
    ),
    *(("journal", "lines", value) for value in [0, -1, 1001, "all", "+5", "1 ", 1.5, True, "--follow", [], "٣"]),
    *(("journal", "priority", value) for value in ["8", "-1", "error", "err..debug", "", 9, True, "--dmesg"]),
    *(("units", "pattern", value) for value in ["", "a\nb", "a\0b", "x" * 256, 3, []]),
    *(("units", "state", value) for value in ["dead", "--all", "", True, ["failed"]]),
    *(("units", "type", value) for value in ["help", "service,timer", "", "--type=x"]),
    *(("sockets", "protocol", value) for value in ["raw", "TCP", "", "tcp udp", "-x"]),
    *(("sockets", "port", value) for value in [0, 65536, -1, "http", "22 ", "22,80", 1.0, True]),
    *(("sockets", "path", value) for value in ["relative", "", "a\0b", 5, "-x"]),
    *(("processes", "name", value) for value in ["", "a/b", "a\nb", "a\0b", "x" * 256, 5, []]),
    *(("processes", "user", value) for value in ["", "-u", "a b", "a;b", "root\n", 0, "x" * 70]),
    *(("packages", "name", value) for value in [*OPTIONS, *NOT_NAMES, [], ["ok", "--root=/"], ["a"] * 201,
    [["a"]], "a%{NAME}"]),
    *(("packages", "candidates", value) for value in ["maybe", 1, [], "--"]),
    *(("path", "path", value) for value in ["", "relative", "../x", "a\0b", "-x", 5, [], None, "/" * 5000]),
    *(("path", "content", value) for value in [-1, (1 << 20) + 1, "1k", True, 1.5]),
    *(
        ("http", "url", value)
        for value in [
            "", "ftp://h/", "file:///etc/passwd", "http://", "http:///x", "http://u:p@h/", "http://h/a b",
            "http://h/\r\nX: y",
            "http://h/\n", "//h/", "gopher://h", "http://h\\@evil/", "http://é/", "-x", 5, None,
            "unix:///run/x", "http://h/\x7f",
        ]
    ),
    *(("http", "method", value) for value in ["POST", "PUT", "DELETE", "get", "GET ", "GET\r\nX: y", "",
    "CONNECT", "OPTIONS"]),
    *(
        ("http", "headers", value)
        for value in [
            "X: y", ["X"], {"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"": "b"}, {"X Y": "b"},
            {"X-HTTP-Method-Override": "DELETE"},
            {"x-method-override": "PUT"}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "5"},
            {"Upgrade": "h2c"}, {"Expect": "x"},
            {"X": "\u20ac"}, {"X": "x" * 5000}, {5: "x"},
        ]
    ),
    *(("http", "timeout", value) for value in [0, -1, 301, "1.5", True]),
    *(("http", "redirects", value) for value in [-1, 11, "many"]),
    *(("http", "body", value) for value in [-1, (1 << 20) + 1, "1m"]),
    ("http", "data", "x"),
    ("http", "body_format", "json"),
    ("unit", "--host", "evil"),
    ("system", "host", "evil"),
    ("path", "state", "absent"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name", "value"), HOSTILE)
def test_a_hostile_value_is_refused_in_one_sentence(module: str, name: str, value: Any) -> None:
    others = {
        "http": {"url": "http://127.0.0.1/"},
        "path": {"path": "/etc"},
        "packages": {"name": "bash"},
        "unit": {"name": "a"},
    }
    with pytest.raises(CannotObserve) as refused:
        validated(module, {**others.get(module, {}), name: value})
    message = str(refused.value)
    assert message.startswith("cannot ")
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("module", "given", "name", "value"),
    [
        ("unit", {"name": "nginx"}, "name", "nginx.service"),
        ("unit", {"name": "getty@tty1.service"}, "name", "getty@tty1.service"),
        ("unit", {"name": r"dev-disk-by\x2duuid-x.device"}, "name", r"dev-disk-by\x2duuid-x.device"),
        ("unit", {"name": "system.slice"}, "name", "system.slice"),
        ("unit", {"name": "a.b"}, "name", "a.b.service"),
        ("journal", {}, "lines", 100),
        ("journal", {"lines": "20"}, "lines", 20),
        ("journal", {"since": 90}, "since", "90"),
        ("journal", {"priority": 3}, "priority", "3"),
        ("packages", {"name": "libstdc++6"}, "name", ["libstdc++6"]),
        ("packages", {"name": ["a", "b", "a"]}, "name", ["a", "b"]),
        ("packages", {"name": "libc6:amd64"}, "name", ["libc6:amd64"]),
        ("path", {"path": "~/.bashrc"}, "path", "~/.bashrc"),
        ("path", {"path": "/x", "follow": "no"}, "follow", False),
        ("http", {"url": "https://[::1]:8443/a?b=c"}, "method", "GET"),
        ("http", {"url": "http://h/", "headers": {"Authorization": "Bearer x"}}, "headers",
        {"Authorization": "Bearer x"}),
        ("sockets", {"port": "22"}, "port", 22),
    ],
)  # fmt: skip
def test_valid_values_are_completed(module: str, given: dict[str, Any], name: str, value: Any) -> None:
    assert validated(module, given)[name] == value


def test_each_observation_has_parameters_and_a_function() -> None:
    assert set(PARAMETERS) == set(FUNCTIONS)
