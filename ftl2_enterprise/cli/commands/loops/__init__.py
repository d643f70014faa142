"""Commands that run loops without a service, and that read their database."""

ALIASES = {"answer": "respond", "policy": "policy show"}
"""Names that `ftl2ctl` has for the same commands."""
