"""Commands that need no service."""

ALIASES = {"quit": "exit"}
