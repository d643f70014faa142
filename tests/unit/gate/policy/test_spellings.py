"""Spellings of one value: file modes, users, and names of packages."""

from __future__ import annotations

import pytest

from ftl2_enterprise.gate.policy import spellings


@pytest.mark.parametrize(
    ("value", "octal"),
    [
        (511, "0777"),
        ("777", "0777"),
        ("0o777", "0777"),
        ("0000777", "0777"),
        ("+777", "0777"),
        ("7_7_7", "0777"),
        ("0100777", "0777"),
        (33279, "0777"),
        ("u=rwx,go=u", "0777"),
        ("u=rwx,g=u,o=g", "0777"),
        ("o=rwx,ug=o", "0777"),
        ("g=rwx,a=g", "0777"),
        ("u=rwx,g=rx,o=g", "0755"),
        ("u=rw,go=u-w", "0644"),
        ("u=r+w+x,go=u", "0777"),
        ("a=rwx,u=r", "0477"),
        ("a=rwx,go-w", "0755"),
        ("u=rwxs,g=s,o=t", "7700"),
        ("u=rwxs,u=rw", "0600"),
        ("=rwx", "0777"),
    ],
)
def test_a_mode_as_octal_digits(value: object, octal: str) -> None:
    assert octal in spellings.mode_spellings(value)


@pytest.mark.parametrize("value", ["u=rwx,go=u-w", "u=rwx,g=u", "rwx", "", "888", "o-w", True])
def test_another_mode_is_not_0777(value: object) -> None:
    assert "0777" not in spellings.mode_spellings(value)


@pytest.mark.parametrize("text", ["0", "00", "+0", "-0", "0_0", " 0 ", "root"])
def test_the_user_root_is_0(text: str) -> None:
    assert {"0", "root"} <= set(spellings.user_spellings(text))


def test_users_that_are_numbers_are_compared_as_numbers() -> None:
    assert "1000" in spellings.user_spellings("01000")
    assert spellings.user_spellings("bob") == ("bob",)
    assert "root" not in spellings.user_spellings("100")
