"""The group of the commands of loops, and the arguments that they share."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import TEXT, Argument, HelpGroup

LOOPS = HelpGroup("Loops", 20)
POLICY = HelpGroup("Policy", 25)

LOOP = Argument("loop", TEXT, "Name, unambiguous prefix of a name, or id.")
