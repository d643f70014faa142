"""The commands of `ftl2-enterprise`: one module per command; see `commandline.finder`."""

ALIASES = {"answer": "respond"}
"""Names that `ftl2ctl` has for the same commands."""
