"""Equal values in different spellings: booleans, numbers, file modes, packages and services. Pure."""

from __future__ import annotations

import re

_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0"})

_OCTAL = re.compile(r"(0o|0)?([0-7]{1,4})")
_CLAUSE = re.compile(r"([ugoa]*)([=+])([rwxXst]*)")
_WHO = {"u": 0o700, "g": 0o070, "o": 0o007}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "X": 0o111}

_VERSION = re.compile(r"\s*(==|>=|<=|!=|~=|[=<>!~;\[(@]).*", re.DOTALL)
_PLAIN_PACKAGE = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._+-]*(:[a-z0-9-]+)?)(\s*(==|>=|<=|!=|~=|[=<>])\s*[A-Za-z0-9._+:~*-]+)?\s*"
)
_FILES = (".deb", ".rpm", ".whl", ".gz", ".zip", ".bz2", ".xz", ".tgz", ".tar")
_RELEASE = re.compile(r"[-_]\d.*", re.DOTALL)
_ARCHITECTURE = re.compile(r"(:[a-z0-9-]+|\.(x86_64|aarch64|noarch|i686|ppc64le|s390x|src))$")
_UNITS = (".service", ".socket", ".timer", ".target", ".mount", ".path")


def truth_spellings(text: str) -> tuple[str, ...]:
    """The text, and `true` or `false` if a module takes it for that."""
    lower = text.strip().lower()
    if lower in _TRUE:
        return (text, "true", "True")
    return (text, "false", "False") if lower in _FALSE else (text,)


def host_spelling(name: str) -> str:
    """The name of a host in lower case, and without a dot at its end."""
    return name.lower().rstrip(".")


def truth_of(pattern: str) -> str | None:
    """`true` or `false` for a word of a rule that means it; a digit or a letter may mean something else."""
    lower = pattern.lower()
    if len(lower) < 2:
        return None
    return "true" if lower in _TRUE else "false" if lower in _FALSE else None


def mode_spellings(value: object) -> tuple[str, ...]:
    """The file mode as it is written and as four octal digits: 511, "777" and "u=rwx,g=rwx,o=rwx" are 0777.

    Digits that can be both are both. What `+` adds is known only if the file has none of it; what `-` removes is not.
    """
    text = str(value).strip()
    found = [text]
    if isinstance(value, int):
        found.append(f"{value:04o}")
    octal = _OCTAL.fullmatch(text)
    if octal is not None:
        found.append(f"{int(octal[2], 8):04o}")
    elif "=" in text or "+" in text:
        found.append(f"{_symbolic(text):04o}")
    return tuple(dict.fromkeys((*found, *(one.lstrip("0") or "0" for one in found[1:]))))


def _symbolic(text: str) -> int:
    bits = 0
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            continue
        who = "ugo" if not match[1] or "a" in match[1] else match[1]
        mask = sum(_WHO[one] for one in set(who))
        bits |= mask & sum({_BITS[one] for one in match[3] if one in _BITS} or {0})
        bits |= (0o4000 if "s" in match[3] and "u" in who else 0) | (0o2000 if "s" in match[3] and "g" in who else 0)
        bits |= 0o1000 if "t" in match[3] else 0
    return bits


def package_spellings(text: str) -> tuple[str, ...]:
    """The package as it is written, and its name without version, architecture, group sign and file name."""
    text = text.strip()
    name = text.removeprefix("@")
    if "/" in name and name.endswith((".deb", ".rpm", ".whl", ".gz")):
        name = name.rpartition("/")[2]
    elif "/" in name and not name.startswith("/") and "://" not in name:
        name = name.partition("/")[0]
    plain = _ARCHITECTURE.sub("", _VERSION.sub("", name)).strip()
    return tuple(dict.fromkeys((text, name, plain, _RELEASE.sub("", plain), plain.lower().replace("_", "-"))))


def package_name(text: str) -> str | None:
    """The name of a package that is written with a version or as it is; None for all else that installs something."""
    found = _PLAIN_PACKAGE.fullmatch(text)
    return None if found is None or found[1].endswith(_FILES) else found[1]


def service_spellings(text: str) -> tuple[str, ...]:
    """The service as it is written, and with and without `.service`."""
    text = text.strip()
    bare = text.removesuffix(".service")
    return (text, bare, text if text.endswith(_UNITS) else f"{text}.service")


def user_spellings(text: str) -> tuple[str, ...]:
    """The user as it is written; `root` is the user 0."""
    text = text.strip()
    return (text, "root", "0") if text in {"root", "0"} else (text,)
