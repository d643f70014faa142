"""`worker`: the name that earlier programs had for what runs submitted loops."""

from __future__ import annotations

import click

from ftl2_enterprise.core.problem import invalid


@click.command("worker", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1)
def command(words: tuple[str, ...]) -> int:
    """Say what has taken its place."""
    raise invalid(
        "cannot run a worker: the service runs every submitted loop in a process of its own",
        "start it with `systemctl start ftl2-enterprise`, or `ftl2-enterprise supervise` without systemd",
    )
