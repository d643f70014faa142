"""`completion`: the completion files for bash, zsh and fish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import TEXT, Argument, Command, Example
from ftl2_enterprise.ctl.program import SHELL

if TYPE_CHECKING:
    from typing import TextIO

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession

FILES = ":files"
"""Printed instead of candidates where file names are completed."""

# Each file calls the program, so that it never offers commands that do not exist, and names are current. A colon in a
# word is special to bash and zsh; no name of this program has one.
BASH = """\
# bash completion for ftl2ctl
_ftl2ctl() {
    local current=${COMP_WORDS[COMP_CWORD]} line
    COMPREPLY=()
    local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o default 2>/dev/null
            compopt -o filenames 2>/dev/null
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
        else
            COMPREPLY+=("$(printf '%q' "${line%%$'\\t'*}")")
        fi
    done < <(ftl2ctl __complete "$current" "${words[@]}" 2>/dev/null)
}
complete -F _ftl2ctl ftl2ctl
"""

ZSH = """\
#compdef ftl2ctl
# zsh completion for ftl2ctl
_ftl2ctl() {
    local -a found described
    local line word about
    found=("${(@f)$(ftl2ctl __complete "${words[CURRENT]}" "${(@)words[2,CURRENT-1]}" 2>/dev/null)}")
    for line in $found; do
        if [[ $line == :files ]]; then
            _files
            return
        fi
        [[ -z $line ]] && continue
        word=${line%%$'\\t'*}
        about=${line#*$'\\t'}
        described+=("${word//:/\\\\:}:$about")
    done
    _describe -V ftl2ctl described
}
if [[ $funcstack[1] == _ftl2ctl ]]; then
    _ftl2ctl "$@"
else
    compdef _ftl2ctl ftl2ctl
fi
"""

FISH = """\
# fish completion for ftl2ctl
function __ftl2ctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l current $words[-1]
    set -l found (ftl2ctl __complete "$current" $words[2..-2] 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path "$current"
    else
        printf '%s\\n' $found
    end
end
complete -c ftl2ctl -f -a '(__ftl2ctl_complete)' -k
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def run(session: CtlSession, given: GivenValues) -> int:
    """Print the file."""
    session.out.stream.write(SCRIPTS[given.text("shell")])
    return 0


def complete(words: list[str], out: TextIO) -> int:
    """Print the candidates for the first word, which stands after the others: a word, a tab, and a description."""
    from ftl2_enterprise.ctl import completion  # noqa: PLC0415 - most commands complete nothing
    from ftl2_enterprise.ctl.session import CtlSession  # noqa: PLC0415
    from ftl2_enterprise.render.colour import painter  # noqa: PLC0415

    start, before = (words[0], words[1:]) if words else ("", [])
    with CtlSession(out=painter(out), socket=_socket_in(before)) as session:
        found = completion.complete(before, start, completion.AskedNames(session), in_shell=False)
    lines = [f"{one.word}\t{one.about}" if one.about else one.word for one in found.candidates]
    if found.files:
        lines.append(FILES)
    # A candidate that the terminal would interpret is not offered.
    out.write("".join(f"{text}\n" for text in lines if text.replace("\t", "").isprintable()))
    return 0


def _socket_in(words: list[str]) -> str | None:
    """The value of `--socket` in an unfinished line."""
    for at, word in enumerate(words):
        if word == "--socket":
            return words[at + 1] if at + 1 < len(words) else None
        if word.startswith("--socket="):
            return word.partition("=")[2] or None
    return None


COMMAND = Command(
    summary="Print the completion file for a shell.",
    group=SHELL,
    run=run,
    arguments=(Argument("shell", TEXT, "The shell: bash, zsh or fish.", choices=tuple(SCRIPTS)),),
    has_json=False,
    details="The packages install these files. Names come from the service.",
    examples=(
        Example("completion bash > ~/.local/share/bash-completion/completions/ftl2ctl"),
        Example("completion zsh > ~/.zfunc/_ftl2ctl", "a directory in $fpath"),
        Example("completion fish > ~/.config/fish/completions/ftl2ctl.fish"),
    ),
)
