"""Commands about loops, their prompts, their rules and their history."""

ALIASES = {"list": "status", "rules": "rules list", "hosts": "hosts list", "policy": "policy show"}
