"""`ftl2ctl` as a program: its name, its purpose, and the options of every command."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import HELP, PATH, SECONDS, HelpGroup, Option, Program

JSON = Option("json", "Print JSON: one document, or one per line when more follow.")
SOCKET = Option("socket", "Socket of the service.", PATH, value="PATH")
TIMEOUT = Option("timeout", "Maximum seconds to wait for a reply.", SECONDS, above=0, at_most=86_400, default="30")

FTL2CTL = Program(
    name="ftl2ctl",
    purpose="Control the ftl2-enterprise service, and show what it does.",
    package="ftl2_enterprise.ctl.commands",
    options=(JSON, SOCKET, TIMEOUT, HELP),
    has_shell=True,
)

LEAVE = -1
"""Returned by a command instead of an exit status: the shell ends."""
SERVICE = HelpGroup("Service", 80)
SHELL = HelpGroup("This program", 90)
"""Each capability declares its own groups; these are shown last."""
NOT_CONFIRMED = 1
"""Exit status of a command whose question was answered with no."""
REFUSED_STATUS = f"{NOT_CONFIRMED}: the question was answered with no; nothing was changed"
