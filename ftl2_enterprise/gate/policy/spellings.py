"""Equal values in different spellings: booleans, numbers, file modes, packages and services. Pure."""

from __future__ import annotations

import re

_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0"})

_CLAUSE = re.compile(r"([ugoa]*)((?:[=+-][rwxXstugo]*)+)")
_CHANGE = re.compile(r"([=+-])([rwxXstugo]*)")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1, "X": 1}
_SPECIAL = {"u": ("s", 0o4000), "g": ("s", 0o2000), "o": ("t", 0o1000)}
_ALL_BITS = 0o7777

_VERSION = re.compile(r"\s*(==|>=|<=|!=|~=|[=<>!~;\[(@]).*", re.DOTALL)
_PLAIN_PACKAGE = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._+-]*(:[a-z0-9-]+)?)(\s*(==|>=|<=|!=|~=|[=<>])\s*[A-Za-z0-9._+:~*-]+)?\s*"
)
_FILES = (".deb", ".rpm", ".whl", ".gz", ".zip", ".bz2", ".xz", ".tgz", ".tar")
_RELEASE = re.compile(r"[-_]\d.*", re.DOTALL)
_ARCHITECTURE = re.compile(r"(:[a-z0-9-]+|\.(x86_64|aarch64|noarch|i686|ppc64le|s390x|src))$")
_SEPARATORS = re.compile(r"[-_.]+")
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

    Digits that can be both are both. What `+` adds, `-` removes and `g=u` copies is known as if the file had no
    permission before.
    """
    text = str(value).strip()
    found = [text]
    if isinstance(value, int):
        found.append(f"{value & _ALL_BITS:04o}")
    octal = _integer(text, 8)
    if octal is not None:
        found.append(f"{octal & _ALL_BITS:04o}")
    elif "=" in text or "+" in text:
        found.append(f"{_symbolic(text):04o}")
    return tuple(dict.fromkeys((*found, *(one.lstrip("0") or "0" for one in found[1:]))))


def _integer(text: str, base: int = 10) -> int | None:
    """The number that modules read in the text, or None."""
    try:
        return int(text, base)
    except ValueError:
        return None


def _symbolic(text: str) -> int:
    bits = 0
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            continue
        who = "ugo" if not match[1] or "a" in match[1] else match[1]
        for sign, given in _CHANGE.findall(match[2]):
            before = bits
            for one in who:
                bits = _changed(bits, before, one, sign, given)
    return bits


def _changed(bits: int, before: int, who: str, sign: str, given: str) -> int:
    """The mode after one change for the user, the group or the others; `before` is what `g=u` copies from."""
    shift, (letter, special) = _SHIFT[who], _SPECIAL[who]
    named = special if letter in given else 0
    for one in given:
        of = before >> _SHIFT[one] & 7 if one in _SHIFT else _BITS.get(one, 0)
        named |= of << shift
    match sign:
        case "=":
            return bits & ~(7 << shift | special) | named
        case "+":
            return bits | named
        case _:
            return bits & ~named


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


def python_name(text: str) -> str:
    """The name of a Python package, or a pattern for such names, in its normal form (PEP 503)."""
    return _SEPARATORS.sub("-", text).lower()


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
    """The user or group as it is written, and a number in its plain form; `root` is 0."""
    text = text.strip()
    number = 0 if text == "root" else _integer(text)
    if number is None:
        return (text,)
    return tuple(dict.fromkeys((text, str(number), *(("root",) if number == 0 else ()))))
