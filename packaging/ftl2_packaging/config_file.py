"""/etc/ftl2-enterprise/config.toml: every setting, commented out."""

from __future__ import annotations

import textwrap
from itertools import groupby

from ftl2_packaging.options import Option, every_option, plain, sentence, without_flag

_HEAD = """\
# Settings of ftl2-enterprise. All are optional: the commented values are the defaults of the service.
#
# Files in /etc/ftl2-enterprise/conf.d/*.toml are read after this one, in order of name, then environment variables
# (FTL2_ENTERPRISE_SECTION_KEY). See ftl2-enterprise.toml(5).
#
#     ftl2-enterprise config show              checks this file, and shows the origin of each value
#     systemctl reload ftl2-enterprise         loads it again; settings that need a restart are marked
"""
_SECTIONS = {
    "store": "The database.",
    "model": "The decider of desired states that are not a manifest, and its cost.",
    "loops": "Defaults of loops, and limits of the engine.",
    "observations": "What observations may do.",
    "supervisor": "How the service runs its processes.",
    "policy": "What may have an effect, for the whole site.",
    "access": "Access over the socket. Root and the user of the service always have every access.",
    "limits": "Limits of each loop together with all its processes.",
    "log": "What is logged, and the directory of the logs of loops.",
}


def document() -> str:
    """The text of the file."""
    parts = [_HEAD]
    for section, members in groupby(every_option(), key=lambda option: option.section):
        parts.append(f"\n# {_SECTIONS[section]}\n[{section}]\n")
        parts += [_commented(option) for option in members]
    return "\n".join(parts)


def _commented(option: Option) -> str:
    notes = [option.kind]
    if not option.has_default:
        notes.append("not set by default")
    if option.needs_restart:
        notes.append("needs a restart")
    text = f"{sentence(plain(without_flag(option.meaning)))} ({'; '.join(notes)})"
    comment = textwrap.wrap(text, width=118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "\n".join([*comment, f"#{option.name} = {option.written}"]) + "\n"
