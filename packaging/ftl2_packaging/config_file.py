"""/etc/ftl2-enterprise/config.toml: every setting, commented out."""

from __future__ import annotations

import textwrap
from itertools import groupby

from ftl2_packaging.options import Option, every_option, plain, sentence, without_flag

_HEAD = """\
# Settings of ftl2-enterprise. Nothing has to be set: what is commented out is the default, as the service has it.
#
# Files in /etc/ftl2-enterprise/conf.d/*.toml are read after this one, by name; then come variables of the environment
# (FTL2_ENTERPRISE_SECTION_KEY). ftl2-enterprise.toml(5) tells more.
#
#     ftl2-enterprise config show              checks this file, and tells where each value comes from
#     systemctl reload ftl2-enterprise         has it read again; what needs a restart is marked
"""
_SECTIONS = {
    "store": "Where the database is.",
    "model": "Who decides when the desired state is no manifest, and what it may cost.",
    "loops": "What a loop gets unless it is asked for otherwise, and the engine's limits.",
    "supervisor": "How the service runs its processes.",
    "access": "Who may do what over the socket. Root and the user of the service may always do everything.",
    "limits": "What each loop may use together with all that it runs.",
    "log": "What is logged, and where the logs of loops are.",
}


def document() -> str:
    """The file."""
    parts = [_HEAD]
    for section, members in groupby(every_option(), key=lambda option: option.section):
        parts.append(f"\n# {_SECTIONS[section]}\n[{section}]\n")
        parts += [_told(option) for option in members]
    return "\n".join(parts)


def _told(option: Option) -> str:
    notes = [option.kind]
    if not option.has_default:
        notes.append("not set by default")
    if option.needs_restart:
        notes.append("needs a restart")
    text = f"{sentence(plain(without_flag(option.meaning)))} ({'; '.join(notes)})"
    comment = textwrap.wrap(text, width=118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "\n".join([*comment, f"#{option.name} = {option.written}"]) + "\n"
