"""What an action would change, as a text."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings, strategies as st

from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.loops import change_text
from ftl2_enterprise.loops.change_text import limited, text_of

if TYPE_CHECKING:
    from pathlib import Path

REDACT = Redactor(["hunter2hunter2"]).text


def written(old: str | None, new: str, **more: Any) -> dict[str, Any]:
    before = None if old is None else {"size": len(old), "mode": "0644", "content": old}
    after = {"size": len(new), "mode": "0644", "content": new}
    return {
        "changed": True,
        "diff": {"path": "/etc/a", "before": before, "after": after, "same_content": old == new},
        **more,
    }


def lines(output: dict[str, Any], **params: Any) -> list[str]:
    return text_of(output, params, REDACT).split("\n")


def test_a_changed_line_is_shown_with_its_neighbours() -> None:
    assert lines(written("a\nb\nc\n", "a\nB\nc\n")) == [
        "--- /etc/a", "+++ /etc/a", "@@ -1,3 +1,3 @@", " a", "-b", "+B", " c",
    ]  # fmt: skip


def test_a_new_file_is_shown_as_added() -> None:
    assert lines(written(None, "a\n")) == ["mode: none -> 0644", "--- /dev/null", "+++ /etc/a", "@@ -0,0 +1 @@", "+a"]


def test_a_missing_line_break_at_the_end_is_a_difference() -> None:
    assert lines(written("a", "a\n"))[2:] == ["@@ -1 +1 @@", "-a", "\\ No newline at end of file", "+a"]


def test_a_name_of_a_file_forges_no_lines() -> None:
    path = "/x/e\n@@ -1 +1 @@\n+harmless\norigin: the manifest"
    output = written(None, "evil\n")
    output["diff"]["path"] = path
    assert lines(output) == [
        "mode: none -> 0644", "--- /dev/null",
        '+++ "/x/e\\n@@ -1 +1 @@\\n+harmless\\norigin: the manifest"',
        "@@ -0,0 +1 @@", "+evil",
    ]  # fmt: skip


def test_attributes_are_lines() -> None:
    before = {"size": 1, "mode": "0644", "owner": "root", "content": "x"}
    after = {"size": 1, "mode": "0600", "owner": "app", "content": "x"}
    output = {"changed": True, "diff": {"path": "/a", "before": before, "after": after, "same_content": True}}
    assert lines(output) == ["mode: 0644 -> 0600", "owner: root -> app"]


def test_what_is_not_shown_has_its_reason() -> None:
    after = {"size": 7, "hidden": "it is not text"}
    output = {"changed": True, "diff": {"path": "/a", "before": None, "after": after, "same_content": False}}
    assert lines(output) == ["content: none -> 7 bytes, not shown: it is not text"]


def test_the_size_of_what_is_withheld_is_not_shown_either() -> None:
    after = {"size": None, "hidden": "other users cannot read the file"}
    for before, what in ((None, "new"), (after, "differs"), ({"size": 16, "content": "x"}, "differs")):
        output = {"changed": True, "diff": {"path": "/a", "before": before, "after": after, "same_content": False}}
        assert lines(output) == [f"content: {what}, not shown: other users cannot read the file"]


def test_no_change_is_reported() -> None:
    assert lines({"changed": False}) == ["nothing would change"]


def test_a_change_without_details_is_not_no_change() -> None:
    assert lines({"changed": True})[0].startswith("not known: ")


def test_a_note_follows() -> None:
    assert lines(written(None, "a\n", note="the directory /etc does not exist now"))[-1].startswith("note: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x\n", "key hunter2hunter2\n"),
        ("password = old-one\n", "password = another\n"),
        ("hunter2\nx", "hunter2hunter2\n"),
        ("x\n", "-----BEGIN PRIVATE KEY-----\nMIIabc\nMIIdef\n-----END PRIVATE KEY-----\n"),
    ],
)
def test_secrets_are_removed_before_the_sides_are_compared(old: str, new: str) -> None:
    text = "\n".join(lines(written(old, new)))
    for secret in ("hunter2hunter2", "old-one", "another", "MIIabc", "MIIdef"):
        assert secret not in text


def test_a_secret_alone_that_changes_is_reported() -> None:
    assert lines(written("token = aaa1\n", "token = bbb2\n")) == ["content: only what is hidden as a secret differs"]


def test_a_new_directory_has_its_attributes() -> None:
    before, after = {"path": "/d", "state": "absent"}, {"path": "/d", "state": "directory"}
    found = lines({"changed": True, "diff": {"before": before, "after": after}}, path="/d", mode="0750", owner="app")
    assert found == ["state: absent -> directory", "mode: none -> 0750", "owner: none -> app"]


def test_a_directory_that_would_be_removed_is_listed() -> None:
    files = [f"/d/{n:03}" for n in range(60)]
    before = {"path": "/d", "state": "directory", "path_content": {"directories": ["/d/sub"], "files": files}}
    found = lines({"changed": True, "diff": {"before": before, "after": {"path": "/d", "state": "absent"}}})
    assert found[:2] == ["state: directory -> absent", "- /d/000"]
    assert found[-1] == "... and 11 more"


def test_names_that_are_not_shown_have_a_reason() -> None:
    before = {"path": "/d", "state": "directory", "path_content": {"hidden": "it is private"}}
    found = lines({"changed": True, "diff": {"before": before, "after": {"path": "/d", "state": "absent"}}})
    assert found == ["state: directory -> absent", "- what is below it, not shown: it is private"]


def test_a_long_difference_is_cut_between_lines() -> None:
    text = text_of(written("", "".join(f"line {n}\n" for n in range(4000))), {}, REDACT)
    assert len(text) <= change_text.LONGEST + 40
    assert text.split("\n")[-1].startswith("... and ")
    assert text.split("\n")[-2].startswith("+line ")


def test_a_long_line_is_cut() -> None:
    assert max(map(len, lines(written("x\n", "y" * 10_000)))) <= change_text.LONGEST_LINE


def test_very_many_different_lines_are_counted() -> None:
    old, new = ("".join(f"{name}{n}\n" for n in range(6000)) for name in "ab")
    assert lines(written(old, new)) == [
        "content: 6000 lines -> 6000 lines, too many of them differ to compare them"
    ]  # fmt: skip


def test_a_text_within_the_limit_stays() -> None:
    assert limited("a\nb", 3) == "a\nb"


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "+x", "-y", "@@"]), max_size=25).map("\n".join)


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")
@given(old=TEXTS.filter(bool), new=TEXTS.filter(bool))
@example(old="a\na\na\na\na\na\na\na\na\na\na\na", new="a\na\na\na\na\na\na\nb\na\na\na\na")
@settings(max_examples=40, deadline=None)
def test_the_difference_can_be_applied(tmp_path_factory: pytest.TempPathFactory, old: str, new: str) -> None:
    if old == new:
        return
    folder: Path = tmp_path_factory.mktemp("patch")
    (folder / "a").write_text(old)
    (folder / "diff").write_text(text_of(written(old, new), {}, str) + "\n")
    subprocess.run(["patch", "-s", "-u", "a", "diff"], cwd=folder, check=True, capture_output=True)
    assert (folder / "a").read_text() == new
