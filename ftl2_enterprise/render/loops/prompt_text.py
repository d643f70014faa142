"""Lines that are told in more than one place: why an action failed, a question, its answer."""

from __future__ import annotations

from ftl2_enterprise.render.text import Line, Role, last_lines, line, one_line, person, symbol

INDENT = 2
DEEPER = 4


def failure(error: str, rc: int | None, stderr: str) -> list[Line]:
    """Why an action failed: its return code, one sentence, and the last lines that it wrote about it."""
    code = [(f"rc {rc}: ", Role.BAD)] if rc is not None else []
    lines = [line(*code, error, indent=DEEPER)]
    rest = last_lines(stderr)
    if len(rest) == 1 and error.endswith(rest[0].strip()):
        rest = []
    return [*lines, *(line(("| ", Role.FAINT), text, indent=DEEPER) for text in rest)]


def answered(answer: object, by: object) -> Line:
    """An answer, and who gave it."""
    return line(
        symbol("✔", Role.GOOD),
        "answered: ",
        (one_line(str(answer)), Role.STRONG),
        (f" (by {person(None if by is None else str(by))})", Role.FAINT),
        indent=INDENT,
    )


def question(prompt_id: int, text: str, options: list[str], default: str | None) -> list[Line]:
    """A question with its numbered options."""
    head = line(
        symbol("?", Role.WARNING),
        (f"prompt {prompt_id}: ", Role.WARNING),
        one_line(text, 600),
        indent=INDENT,
    )
    lines = [head]
    for n, option in enumerate(options, start=1):
        mark = [(" (default)", Role.FAINT)] if option == default else []
        lines.append(line((f"{n}) ", Role.ACCENT), one_line(option), *mark, indent=DEEPER))
    if default is not None and default not in options:
        lines.append(line((f"default: {one_line(default)}", Role.FAINT), indent=DEEPER))
    return lines
