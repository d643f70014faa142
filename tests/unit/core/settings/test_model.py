"""Settings: what wins, what is refused, and where each value came from."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.quantities import bytes_of, processors_of
from ftl2_enterprise.core.settings import restart
from ftl2_enterprise.core.settings.model import Loaded, Settings, SettingsModel
from ftl2_enterprise.core.settings.sections import Count, Refuse, Section
from ftl2_enterprise.core.wire import Strict
from ftl2_enterprise.gate.policy.settings import PolicySettings
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.wiring.settings import MODEL

HOME = {"HOME": "/home/someone"}


def test_later_sources_win_and_each_value_knows_its_source(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    main = tmp_path / "config.toml"
    main.write_text("[loops]\ninterval = 1\nmax_iterations = 1\njitter = 0.5\nparallel_hosts = 1\n")
    (tmp_path / "conf.d" / "20.toml").write_text("[loops]\nmax_iterations = 3\n")
    (tmp_path / "conf.d" / "10.toml").write_text("[loops]\nmax_iterations = 2\njitter = 0.25\n")
    environ = {**HOME, "FTL2_ENTERPRISE_LOOPS_JITTER": "0", "FTL2_ENTERPRISE_LOOPS_PARALLEL_HOSTS": "7"}
    loaded = MODEL.load(environ=environ, flags={"loops.parallel_hosts": "8"}, etc=tmp_path)
    loops = loaded.settings.section(LoopSettings)
    assert (loops.interval, loops.max_iterations, loops.jitter, loops.parallel_hosts) == (1.0, 3, 0.0, 8)
    assert loaded.origins["loops.interval"] == str(main)
    assert loaded.origins["loops.max_iterations"].endswith("20.toml")
    assert loaded.origins["loops.jitter"] == "FTL2_ENTERPRISE_LOOPS_JITTER"
    assert loaded.origins["loops.parallel_hosts"] == "command line"
    assert loaded.origins["loops.backoff_cap"] == "default"


def test_a_given_file_replaces_the_files_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[loops]\ninterval = 1\n")
    mine = tmp_path / "mine.toml"
    mine.write_text("[loops]\nmax_iterations = 4\n")
    loops = MODEL.load(config=mine, environ=HOME, etc=tmp_path).settings.section(LoopSettings)
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
        MODEL.load(config=path, environ=HOME)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_lists_in_the_environment_are_written_with_commas() -> None:
    environ = {**HOME, "FTL2_ENTERPRISE_ACCESS_OPERATE": "%ops, alice,1000", "FTL2_ENTERPRISE_ACCESS_VIEW": ""}
    access = MODEL.load(environ=environ, etc=Path("/nowhere")).settings.access
    assert access.operate == ("%ops", "alice", "1000")
    assert access.view == ()


def test_amounts_are_accepted_with_units() -> None:
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
    of_unit = MODEL.load(environ=environ, etc=Path("/nowhere")).settings
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    of_root = MODEL.load(environ=HOME, etc=Path("/nowhere")).settings
    assert replaced_policy(of_unit, of_root) == of_root
    assert of_unit.log.directory == "/var/log/ftl2-enterprise"


def replaced_policy(settings: Settings, other: Settings) -> Settings:
    """The settings with the `policy.defaults` of others."""
    policy = msgspec.structs.replace(
        settings.section(PolicySettings), defaults=other.section(PolicySettings).defaults
    )
    return msgspec.structs.replace(settings, policy=policy)


def test_the_service_asks_before_actions_of_a_model_and_a_run_does_not(tmp_path: Path) -> None:
    unit = {**HOME, "CONFIGURATION_DIRECTORY": "/etc/ftl2-enterprise"}

    def defaults(environ: dict[str, str], written: str = "") -> object:
        (tmp_path / "config.toml").write_text(written)
        loaded = MODEL.load(environ=environ, etc=tmp_path)
        return loaded.settings.section(PolicySettings).defaults

    assert defaults(unit) == {"model": "ask"}
    assert defaults(HOME) == {}
    assert defaults({**HOME, "CONFIGURATION_DIRECTORY": ""}) == {}
    assert defaults(unit, "[policy]\ndefaults = {}\n") == {}
    assert defaults(unit, '[policy]\ndefaults = {rule = "deny"}\n') == {"rule": "deny"}
    assert defaults(unit, '[policy]\ndirectory = "/srv/policy"\n') == {"model": "ask"}
    assert defaults({**unit, "FTL2_ENTERPRISE_POLICY_DEFAULTS": "model=allow"}) == {"model": "allow"}


def test_keys_that_need_a_restart_exist_and_are_marked_in_the_reference() -> None:
    page = Path("docs/reference/configuration.md").read_text()
    marked = {row.split("`")[1] for row in page.splitlines() if row.startswith("| `") and "` * |" in row}
    assert marked == restart.NEED_RESTART
    assert set(MODEL.load(environ=HOME, etc=Path("/nowhere")).origins) >= restart.NEED_RESTART


def test_settings_that_need_a_restart_keep_their_value_until_then(tmp_path: Path) -> None:
    def written(text: str) -> Loaded:
        (tmp_path / "config.toml").write_text(text)
        return MODEL.load(config=tmp_path / "config.toml", environ=HOME, etc=Path("/nowhere"))

    before = written("[store]\npath = '/before.db'\n[loops]\ninterval = 5\n")
    after = written("[store]\npath = '/after.db'\n[loops]\ninterval = 7\n[log]\nlevel = 'debug'\n")
    now = restart.until_restart(after, before)
    assert (now.settings.store.path, now.settings.section(LoopSettings).interval, now.settings.log.level) == (
        "/before.db",
        7,
        "debug",
    )
    assert restart.after_restart(after, before) == {"store.path": "/after.db"}
    assert restart.until_restart(before, before) == before


def test_an_unknown_variable_is_refused_with_the_nearest() -> None:
    with pytest.raises(Problem, match=r"did you mean FTL2_ENTERPRISE_LOOPS_INTERVAL\?"):
        MODEL.load(environ={**HOME, "FTL2_ENTERPRISE_LOOP_INTERVAL": "5"}, etc=Path("/nowhere"))


def test_a_missing_file_that_was_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="there is no such file"):
        MODEL.load(config=tmp_path / "absent.toml", environ=HOME)


def test_defaults_do_not_depend_on_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = MODEL.load(environ=HOME, etc=tmp_path).settings
    monkeypatch.chdir(tmp_path)
    assert MODEL.load(environ=HOME, etc=tmp_path).settings == here
    assert Path(here.store.path).is_absolute()
    assert Path(here.section(LoopSettings).rules_dir).is_absolute()


def test_a_user_gets_the_directories_of_the_xdg_specification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    plain = MODEL.load(environ=HOME, etc=tmp_path).settings
    assert plain.store.path == "/home/someone/.local/state/ftl2-enterprise/loops.db"
    moved = MODEL.load(environ={**HOME, "XDG_STATE_HOME": "/data"}, etc=tmp_path).settings
    assert moved.store.path == "/data/ftl2-enterprise/loops.db"
    relative = MODEL.load(environ={**HOME, "XDG_STATE_HOME": "data"}, etc=tmp_path).settings
    assert relative.store.path == plain.store.path
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert MODEL.load(environ=HOME, etc=tmp_path).settings.store.path == "/var/lib/ftl2-enterprise/loops.db"


def test_relative_paths_are_relative_to_where_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc" / "config.toml"
    path.write_text('[store]\npath = "x.db"\n')
    assert MODEL.load(config=path, environ=HOME).settings.store.path == str(tmp_path / "etc" / "x.db")
    monkeypatch.chdir(tmp_path)
    loaded = MODEL.load(config=path, environ=HOME, flags={"store.path": "y.db"})
    assert loaded.settings.store.path == str(tmp_path / "y.db")


def test_the_reference_names_every_key_with_its_default() -> None:
    page = Path("docs/reference/configuration.md").read_text()
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `")}
    loaded = MODEL.load(environ=HOME, etc=Path("/nowhere"))
    assert set(rows) == set(loaded.origins)
    sections = msgspec.to_builtins(MODEL.of())
    for key, row in rows.items():
        section, _, name = key.partition(".")
        value = sections[section][name]
        if key not in MODEL.paths:
            shown = "none" if value is None else f"`{msgspec.json.encode(value).decode()}`"
            assert row.split("|")[2].strip() == shown, key


def test_a_setting_under_its_old_name_applies_and_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[store]\nkeep_looks = 3\n")
    loaded = MODEL.load(config=path, environ=HOME)
    assert loaded.settings.section(LoopSettings).keep_noop_iterations == 3.0
    assert loaded.origins["loops.keep_noop_iterations"] == str(path)
    assert loaded.renamed == (f"the setting store.keep_looks of {path} is called loops.keep_noop_iterations now",)
    # The new name in the same file counts, whatever their order; a later source counts under either name.
    path.write_text("[loops]\nkeep_noop_iterations = 4\n[store]\nkeep_looks = 3\n")
    assert MODEL.load(config=path, environ=HOME).settings.section(LoopSettings).keep_noop_iterations == 4.0
    variable = {**HOME, "FTL2_ENTERPRISE_STORE_KEEP_LOOKS": "5"}
    later = MODEL.load(config=path, environ=variable)
    assert later.settings.section(LoopSettings).keep_noop_iterations == 5.0
    assert len(later.renamed) == 2


@pytest.mark.parametrize("value", ["-1", "inf", "nan", '"a week"'])
def test_an_error_names_the_key_as_it_was_written(tmp_path: Path, value: str) -> None:
    path = tmp_path / "config.toml"
    for section, name in (("store", "keep_looks"), ("loops", "keep_noop_iterations")):
        path.write_text(f"[{section}]\n{name} = {value}\n")
        with pytest.raises(Problem, match=f"for {section}.{name} from {path}: "):
            MODEL.load(config=path, environ=HOME)


def test_the_check_of_a_section_names_the_key_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[lights]\ntint = "black"\n[lamps]\n')
    renamed = {"lights.tint": "colour"}
    lamps = SettingsModel([Section(name="lamps", model=LampSettings, check=_check, renamed=renamed), OLD_LIGHTS])
    with pytest.raises(Problem, match=rf"for lights\.tint from {path}: a black lamp"):
        lamps.load(config=path, environ=HOME)
    path.write_text('[lights]\ntint = "black"\n[lamps]\ncolour = "black"\n')
    with pytest.raises(Problem, match=rf"for lamps\.colour from {path}: a black lamp"):
        lamps.load(config=path, environ=HOME)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e15", "-1", str(2**63), str(-(2**63))])
def test_no_number_is_without_limits(tmp_path: Path, value: str) -> None:
    path = tmp_path / "config.toml"
    sections = msgspec.to_builtins(MODEL.of())
    numbers = [
        (section, name)
        for section, values in sections.items()
        for name, default in values.items()
        if isinstance(default, int | float) and not isinstance(default, bool)
    ]
    assert ("loops", "interval") in numbers
    for section, name in numbers:
        path.write_text(f"[{section}]\n{name} = {value}\n")
        with pytest.raises(Problem, match=f"for {section}.{name} from {path}: "):
            MODEL.load(config=path, environ=HOME)


class LampSettings(Strict, frozen=True, kw_only=True):
    """A section of a capability that this test makes."""

    colour: str = "red"
    file: str = ""
    watts: Count = 5


def _check(section: LampSettings, refuse: Refuse) -> None:
    if section.colour == "black":
        refuse("colour", section.colour, "a black lamp gives no light")


class LightSettings(Strict, frozen=True, kw_only=True):
    """A section whose only setting has moved."""


OLD_LIGHTS = Section(name="lights", model=LightSettings)
LAMPS = SettingsModel(
    [
        Section(
            name="lamps",
            model=LampSettings,
            paths=frozenset({"file"}),
            defaults=lambda variables: {"file": f"{variables['HOME']}/lamps"},
            check=_check,
        )
    ]
)


def test_a_section_of_a_capability_is_like_the_others(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[lamps]\ncolour = 'green'\nfile = 'here'\n")
    loaded = LAMPS.load(config=path, environ={**HOME, "FTL2_ENTERPRISE_LAMPS_WATTS": "7"})
    found = LampSettings(colour="green", file=str(tmp_path / "here"), watts=7)
    assert loaded.settings == LAMPS.of(found, loaded.settings.store, loaded.settings.supervisor, loaded.settings.log)
    assert loaded.settings.section(LampSettings) == found
    assert loaded.origins["lamps.watts"] == "FTL2_ENTERPRISE_LAMPS_WATTS"
    assert (
        LAMPS.load(environ=HOME, etc=tmp_path / "none").settings.section(LampSettings).file == "/home/someone/lamps"
    )
    with pytest.raises(LookupError):
        loaded.settings.section(LoopSettings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[lamps]\ncolor = 'red'\n", "did you mean lamps.colour"),
        ("[lamp]\n", "did you mean lamps"),
        ("[lamps]\nwatts = 0\n", "lamps.watts from .*config.toml: expected"),
        ("[lamps]\ncolour = 'black'\n", "lamps.colour from .*config.toml: a black lamp gives no light"),
        ("[loops]\ninterval = 1\n", "the section 'loops'"),
    ],
)
def test_invalid_sections_of_capabilities_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(Problem, match=message):
        LAMPS.load(config=path, environ=HOME)


def test_a_section_has_one_owner() -> None:
    with pytest.raises(ValueError, match="two sections of the settings are called store"):
        SettingsModel([Section(name="store", model=LampSettings)])
