"""Settings: what wins, what is refused, and where each value came from."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from ftl2_enterprise.core import settings, settings_restart
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.quantities import bytes_of, processors_of

HOME = {"HOME": "/home/someone"}


def test_later_sources_win_and_each_value_knows_its_source(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    main = tmp_path / "config.toml"
    main.write_text("[loops]\ninterval = 1\nmax_iterations = 1\njitter = 0.5\nparallel_hosts = 1\n")
    (tmp_path / "conf.d" / "20.toml").write_text("[loops]\nmax_iterations = 3\n")
    (tmp_path / "conf.d" / "10.toml").write_text("[loops]\nmax_iterations = 2\njitter = 0.25\n")
    environ = {**HOME, "FTL2_ENTERPRISE_LOOPS_JITTER": "0", "FTL2_ENTERPRISE_LOOPS_PARALLEL_HOSTS": "7"}
    loaded = settings.load(environ=environ, flags={"loops.parallel_hosts": "8"}, etc=tmp_path)
    loops = loaded.settings.loops
    assert (loops.interval, loops.max_iterations, loops.jitter, loops.parallel_hosts) == (1.0, 3, 0.0, 8)
    assert loaded.origins["loops.interval"] == str(main)
    assert loaded.origins["loops.max_iterations"].endswith("20.toml")
    assert loaded.origins["loops.jitter"] == "FTL2_ENTERPRISE_LOOPS_JITTER"
    assert loaded.origins["loops.parallel_hosts"] == "command line"
    assert loaded.origins["loops.backoff_cap"] == "default"


def test_a_given_file_is_read_instead_of_those_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[loops]\ninterval = 1\n")
    mine = tmp_path / "mine.toml"
    mine.write_text("[loops]\nmax_iterations = 4\n")
    loops = settings.load(config=mine, environ=HOME, etc=tmp_path).settings.loops
    assert (loops.interval, loops.max_iterations) == (60.0, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[loops]\nintervals = 1\n", ["loops.intervals", "did you mean loops.interval?"]),
        ("[loop]\ninterval = 1\n", ["section 'loop'", "did you mean loops?"]),
        ("interval = 1\n", ["key 'interval'", "known are"]),
        ("[loops]\ninterval = 'soon'\n", ["'soon'", "loops.interval", "expected"]),
        ("[loops]\ninterval = 0\n", ["loops.interval", "> 0"]),
        ("[model]\nprovider = 'oracle'\n", ["'oracle'", "model.provider"]),
        ("[loops\n", ["not TOML"]),
        ("[limits]\nmemory = '512 apples'\n", ["'512 apples'", "limits.memory", "512M"]),
        ("[limits]\nmemory = '1K'\n", ["limits.memory", "at least 32M"]),
        ("[limits]\ncpu = '50'\n", ["limits.cpu", "50%"]),
        ("[limits]\npids = 0\n", ["limits.pids", ">= 1"]),
        ("[access]\noperate = ['no one']\n", ["'no one'", "access.operate", "%ftl2"]),
        ("[access]\nview = 'alice'\n", ["access.view", "array"]),
        ("[supervisor]\nheartbeat = 60\n", ["supervisor.heartbeat", "hung_after"]),
        ("[supervisor]\nhung_after = 10\n", ["supervisor.hung_after", "heartbeat"]),
        ("[supervisor]\nrestart_cap = 0.1\n", ["supervisor.restart_cap", "restart_delay"]),
        (f"[supervisor]\nsocket = '/{'x' * 120}'\n", ["supervisor.socket", "96 bytes"]),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(Problem) as caught:
        settings.load(config=path, environ=HOME)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_lists_in_the_environment_are_written_with_commas() -> None:
    environ = {**HOME, "FTL2_ENTERPRISE_ACCESS_OPERATE": "%ops, alice,1000", "FTL2_ENTERPRISE_ACCESS_VIEW": ""}
    access = settings.load(environ=environ, etc=Path("/nowhere")).settings.access
    assert access.operate == ("%ops", "alice", "1000")
    assert access.view == ()


def test_amounts_are_read_as_people_write_them() -> None:
    assert [bytes_of(text) for text in ("100", "2K", "512M", "1G")] == [100, 2048, 512 * 1024**2, 1024**3]
    assert [processors_of(text) for text in ("50%", "200%", "0.5%")] == [0.5, 2.0, 0.005]
    for wrong in ("", "M", "0", "-1M", "1m", "1.5G"):
        with pytest.raises(ValueError, match="expected"):
            bytes_of(wrong)
    for wrong in ("", "50", "0%", "-5%", "%"):
        with pytest.raises(ValueError, match="expected"):
            processors_of(wrong)


def test_the_directories_of_a_unit_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 990)
    environ = {
        **HOME,
        "STATE_DIRECTORY": "/var/lib/ftl2-enterprise:/var/lib/other",
        "LOGS_DIRECTORY": "/var/log/ftl2-enterprise",
        "RUNTIME_DIRECTORY": "/run/ftl2-enterprise",
        "CONFIGURATION_DIRECTORY": "/etc/ftl2-enterprise",
    }
    of_unit = settings.load(environ=environ, etc=Path("/nowhere")).settings
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    of_root = settings.load(environ=HOME, etc=Path("/nowhere")).settings
    assert of_unit == of_root
    assert of_unit.log.directory == "/var/log/ftl2-enterprise"


def test_keys_that_need_a_restart_exist_and_are_marked_in_the_reference() -> None:
    page = Path("docs/reference/configuration.md").read_text()
    marked = {row.split("`")[1] for row in page.splitlines() if row.startswith("| `") and "` * |" in row}
    assert marked == settings_restart.NEED_RESTART
    assert set(settings.load(environ=HOME, etc=Path("/nowhere")).origins) >= settings_restart.NEED_RESTART


def test_what_needs_a_restart_stays_as_it_is_until_then(tmp_path: Path) -> None:
    def written(text: str) -> settings.Loaded:
        (tmp_path / "config.toml").write_text(text)
        return settings.load(config=tmp_path / "config.toml", environ=HOME, etc=Path("/nowhere"))

    before = written("[store]\npath = '/before.db'\n[loops]\ninterval = 5\n")
    after = written("[store]\npath = '/after.db'\n[loops]\ninterval = 7\n[log]\nlevel = 'debug'\n")
    now = settings_restart.until_restart(after, before)
    assert (now.settings.store.path, now.settings.loops.interval, now.settings.log.level) == (
        "/before.db",
        7,
        "debug",
    )
    assert settings_restart.after_restart(after, before) == {"store.path": "/after.db"}
    assert settings_restart.until_restart(before, before) == before


def test_an_unknown_variable_is_refused_with_the_nearest() -> None:
    with pytest.raises(Problem, match=r"did you mean FTL2_ENTERPRISE_LOOPS_INTERVAL\?"):
        settings.load(environ={**HOME, "FTL2_ENTERPRISE_LOOP_INTERVAL": "5"}, etc=Path("/nowhere"))


def test_a_missing_file_that_was_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="there is no such file"):
        settings.load(config=tmp_path / "absent.toml", environ=HOME)


def test_defaults_do_not_depend_on_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = settings.load(environ=HOME, etc=tmp_path).settings
    monkeypatch.chdir(tmp_path)
    assert settings.load(environ=HOME, etc=tmp_path).settings == here
    assert Path(here.store.path).is_absolute()
    assert Path(here.loops.rules_dir).is_absolute()


def test_a_user_gets_the_directories_of_the_xdg_specification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    plain = settings.load(environ=HOME, etc=tmp_path).settings
    assert plain.store.path == "/home/someone/.local/state/ftl2-enterprise/loops.db"
    moved = settings.load(environ={**HOME, "XDG_STATE_HOME": "/data"}, etc=tmp_path).settings
    assert moved.store.path == "/data/ftl2-enterprise/loops.db"
    relative = settings.load(environ={**HOME, "XDG_STATE_HOME": "data"}, etc=tmp_path).settings
    assert relative.store.path == plain.store.path
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert settings.load(environ=HOME, etc=tmp_path).settings.store.path == "/var/lib/ftl2-enterprise/loops.db"


def test_relative_paths_are_relative_to_where_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc" / "config.toml"
    path.write_text('[store]\npath = "x.db"\n')
    assert settings.load(config=path, environ=HOME).settings.store.path == str(tmp_path / "etc" / "x.db")
    monkeypatch.chdir(tmp_path)
    loaded = settings.load(config=path, environ=HOME, flags={"store.path": "y.db"})
    assert loaded.settings.store.path == str(tmp_path / "y.db")


def test_the_reference_names_every_key_with_its_default() -> None:
    page = Path("docs/reference/configuration.md").read_text()
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `")}
    loaded = settings.load(environ=HOME, etc=Path("/nowhere"))
    assert set(rows) == set(loaded.origins)
    sections = msgspec.to_builtins(settings.Settings())
    for key, row in rows.items():
        section, _, name = key.partition(".")
        value = sections[section][name]
        if key not in settings.PATHS:
            shown = "none" if value is None else f"`{msgspec.json.encode(value).decode()}`"
            assert row.split("|")[2].strip() == shown, key
