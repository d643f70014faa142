"""Names of files in texts of which each line has a meaning: a name must not imitate other lines."""

from __future__ import annotations


def file_name(path: str) -> str:
    """The path; in quotes if it has characters that are not shown as they are, such as an end of a line."""
    if path.isprintable() and '"' not in path and "\\" not in path:
        return path
    parts = [f"\\{one}" if one in {'"', "\\"} else escaped(one) for one in path]
    return f'"{"".join(parts)}"'


def escaped(text: str) -> str:
    """The text with each character that is not shown as it is, such as an end of a line, as an escape sequence."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii") for one in text
    )
