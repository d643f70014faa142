"""Commands about loops, their prompts, their rules and their history."""

ALIASES = {"list": "status", "rules": "rules list", "policy": "policy show"}
