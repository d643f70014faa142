"""Texts that are awkward to show: as names, questions, reasons and values that come from users, hosts and models."""

from __future__ import annotations

LONG = "a-name-that-is-longer-than-any-column-" * 4
WIDE = "ウェブサーバー-東京"
CONTROL = "red\x1b[31m \x07bell\r\nsecond\tline \u202eright to left"
COMBINING = "cafe\u0301 nai\u0308ve"
NAMES = (LONG, WIDE, CONTROL, COMBINING, "-n", "two words", 'it\'s "quoted"')
PARAGRAPH = "The configuration of the server differs from the desired one in several places, " * 12
