"""The table of modules: every entry agrees with the module itself, where its file is installed."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from ftl2_enterprise.adapters.hosts import call_plan, module_catalogue
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import PARAMETERS
from ftl2_enterprise.gate import module_reference
from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.gate.module_table import TABLE, Module, ModuleClass, Observing
from ftl2_enterprise.gate.modules import canonical, classes, fence_for, find, name_of, spellings

if TYPE_CHECKING:
    from collections.abc import Iterable

OF_FILES = {"mode", "owner", "group", "seuser", "serole", "selevel", "setype", "attributes", "attr", "unsafe_writes"}
FRAGMENTS = {
    "files": OF_FILES,
    "validate": {"validate"},
    "backup": {"backup"},
    "template_common": {"src", "dest", "variable_start_string", "trim_blocks", "lstrip_blocks", "newline_sequence"},
    "url.url_redirect": {"follow_redirects"},
    "checksum_common": {"checksum_algorithm", "checksum", "checksum_algo"},
}
"""Parameters of the documentation fragments that are of interest here, by name."""
OWN: dict[str, Iterable[str]] = {
    **{name: set(found) for name, found in PARAMETERS.items()},
    "command": call_plan.COMMAND_PARAMETERS,
    "shell": call_plan.COMMAND_PARAMETERS,
    "copy": call_plan.COPY_PARAMETERS,
    "template": call_plan.TEMPLATE_PARAMETERS,
    "raw": {"_raw_params", "cmd", "argv"},
    "script": {"_raw_params", "argv"},
    "expect": {"cmd", "_raw_params", "free_form"},
}
"""Parameters that this program accepts, or that the module's runner passes in another form."""
NAMES = [one.name for one in TABLE]


@cache
def documentation(name: str) -> dict[str, Any] | None:
    """The DOCUMENTATION of an installed module file, which is YAML."""
    file = module_catalogue.library() / f"{name}.py"
    if not file.is_file():
        return None
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
            return cast("dict[str, Any]", yaml.safe_load(ast.literal_eval(node.value)))
    return None


def options(name: str) -> dict[str, dict[str, Any]]:
    return {key: value or {} for key, value in ((documentation(name) or {}).get("options") or {}).items()}


def accepted(name: str) -> set[str]:
    """Every spelling of every parameter of an installed module."""
    given: str | list[str] = (documentation(name) or {}).get("extends_documentation_fragment") or []
    fragments = [given] if isinstance(given, str) else given
    extra: set[str] = {param for one in fragments for param in FRAGMENTS.get(one, ())}
    spelled = {one for key, value in options(name).items() for one in (key, *(value.get("aliases") or ()))}
    return spelled | extra | set(OWN.get(name, ()))


def placeholders(path: str) -> list[str]:
    """The parameters in a path that a module makes."""
    return [name for names in re.findall(r"\{([\w|]+)", path) for name in names.split("|")]


def mentioned(one: Module) -> set[str]:
    flat = {
        *one.writes,
        *one.reads,
        *one.commands,
        *one.programs,
        *one.packages,
        *one.services,
        *one.users,
        *one.urls,
    }
    made = (*one.names_files, *one.default_writes)
    flat |= {name for path in made for name in (*path.given, *path.without, *placeholders(path.path))}
    more = {*one.lists, *one.words, *one.not_observing, *(name for group in one.synonyms for name in group)}
    return flat | more | ({one.base, one.files_of} - {""})


INSTALLED = [one for one in TABLE if documentation(one.name) is not None]


def test_most_of_the_table_is_compared_with_an_installed_module() -> None:
    assert len(INSTALLED) >= 45


@pytest.mark.parametrize("one", INSTALLED, ids=lambda one: one.name)
def test_the_parameters_of_an_entry_exist_in_the_module(one: Module) -> None:
    assert mentioned(one) - accepted(one.name) == set()


@pytest.mark.parametrize("one", INSTALLED, ids=lambda one: one.name)
def test_no_path_and_no_other_name_of_a_parameter_is_missing_from_an_entry(one: Module) -> None:
    paths = {*one.writes, *one.reads, *one.programs, one.base}
    groups = [set(group) for group in (one.writes, one.reads, one.commands, one.packages, one.services, one.users,
                                       one.urls, *one.synonyms)]  # fmt: skip
    for key, value in options(one.name).items():
        if value.get("type") == "path" or value.get("elements") == "path":
            assert key in paths, key
        if value.get("type") == "list" and value.get("elements") != "dict":
            assert key in one.lists, key
        for alias in value.get("aliases") or ():
            assert any({key, alias} <= group for group in groups), alias


@pytest.mark.parametrize("one", INSTALLED, ids=lambda one: one.name)
def test_what_is_observed_in_check_mode_supports_it(one: Module) -> None:
    if one.observing is Observing.CHECKABLE and one.name not in {"copy", "template"}:  # our own
        text = Path(module_catalogue.library() / f"{one.name}.py").read_text()
        delegates = "N/A" in str((documentation(one.name) or {}).get("attributes", {}).get("check_mode"))
        assert "supports_check_mode=True" in text or delegates


def test_no_name_belongs_to_two_modules() -> None:
    names = [name for one in TABLE for name in (one.name, *one.names)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", sorted(set(module_catalogue.names()) | set(module_catalogue.NATIVE)))
def test_every_module_that_can_run_here_is_in_the_table(name: str) -> None:
    if name not in {"validate_argument_spec"}:
        assert find(name) is not None


def test_the_native_modules_accept_nothing_that_the_table_does_not_know() -> None:
    for name, params in module_catalogue.NATIVE_PARAMETERS.items():
        one = find(name)
        assert one is not None
        assert {param for param in params if param in {"path", "dest", "src", "url", "name"}} <= mentioned(one)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("copy", "copy"),
        ("ansible.builtin.copy", "copy"),
        ("ansible.legacy.copy", "copy"),
        ("ansible.builtin.ansible.legacy.copy", "copy"),
        (" Copy ", "copy"),
        ("copy.", "copy"),
        ("systemd_service", "systemd"),
        ("ansible.builtin.systemd_service", "systemd"),
        ("dnf5", "dnf"),
        ("yum", "dnf"),
        ("amazon.aws.ec2_instance", "ec2_instance"),
        ("google.cloud.gcp_compute_instance", "gcp_compute_instance"),
        ("at", "ansible.posix.at"),
        ("made.up.copy", "made.up.copy"),
        ("", ""),
    ],
)
def test_a_module_has_one_name(spelled: str, name: str) -> None:
    assert canonical(spelled) == name
    if name in NAMES:
        assert canonical(canonical(spelled)) == name
        assert {canonical(one) for one in spellings(spelled)} == {name}


def test_a_name_with_blanks_or_capitals_is_not_run_as_the_module() -> None:
    assert [name_of(one) for one in ("copy", " copy", "Copy", "ansible.builtin.ansible.builtin.copy")] == [
        "copy", " copy", "Copy", "ansible.builtin.copy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "params", "fence"),
    [
        ("stat", {"path": "/x"}, Fence.READING),
        ("ansible.builtin.slurp", {"src": "/x"}, Fence.READING),
        ("package_facts", {}, Fence.READING),
        ("service_facts", {}, Fence.READING),
        ("mount_facts", {}, Fence.READING),
        ("mount_facts", {"mount_binary": "/tmp/x"}, None),
        ("setup", {"fact_path": "/tmp"}, None),
        ("getent", {"database": "passwd"}, Fence.READING),
        ("find", {"paths": ["/etc"]}, Fence.READING),
        ("uri", {"url": "http://x"}, Fence.READING),
        ("uri", {"url": "http://x", "method": "head"}, Fence.READING),
        ("uri", {"url": "http://x", "method": "POST"}, None),
        ("uri", {"url": "http://x", "method": "DELETE"}, None),
        ("uri", {"url": "http://x", "body": "a"}, None),
        ("uri", {"url": "http://x", "dest": "/x"}, None),
        ("uri", {"url": "http://x", "dest": 0}, None),
        ("uri", {"url": "http://x", "method": False}, None),
        ("uri", {"url": "http://x", "method": None, "dest": None}, Fence.READING),
        ("uri", {"url": "http://x", "src": "/x"}, None),
        ("uri", {"url": "http://x", "unix_socket": "/run/docker.sock"}, None),
        ("uri", {"url": "http://x", "headers": {"X-HTTP-Method-Override": "DELETE"}}, None),
        ("uri", {"url": "http://x", "headers": "X-HTTP-Method-Override: DELETE"}, None),
        ("uri", {"url": "http://x", "headers": {"Accept": "text/plain"}}, Fence.READING),
        ("copy", {"dest": "/x", "content": ""}, Fence.CHECK_MODE),
        ("lineinfile", {"path": "/x", "line": "a"}, Fence.CHECK_MODE),
        ("lineinfile", {"path": "/x", "line": "a", "validate": "sh %s"}, None),
        ("assemble", {"src": "/x", "dest": "/y", "validate": "sh %s"}, None),
        ("apt", {"name": "nginx"}, Fence.CHECK_MODE),
        ("apt", {"clean": True}, None),
        ("apt", {"clean": False, "name": "nginx"}, Fence.CHECK_MODE),
        ("apt", {"name": "nginx", "default_release": "x' -o Dir::Log='/tmp"}, None),
        ("apt", {"name": "nginx", "policy_rc_d": 0}, None),
        ("pip", {"name": "x"}, None),
        ("pip", {"name": "x", "chdir": "/tmp/x"}, None),
        ("getent", {"database": "passwd", "service": "x/evil"}, None),
        ("getent", {"database": "-sx/evil", "key": "passwd"}, None),
        ("getent", {"database": "passwd", "key": "-sx/evil"}, None),
        ("apt", {"name": "a, b=1.*"}, Fence.CHECK_MODE),
        ("apt", {"name": ["a", "b' -o Dir::Log='/tmp"]}, None),
        ("dpkg_selections", {"name": "--root=/tmp", "selection": "hold"}, None),
        ("systemd", {"daemon_reload": True}, Fence.CHECK_MODE),
        ("systemd", {"name": "a@b-c.service"}, Fence.CHECK_MODE),
        ("systemd", {"name": "x' -H 'evil"}, None),
        ("systemd", {"unit": "-Hevil"}, None),
        ("service", {"name": "x y"}, None),
        ("unit", {"name": "-Hevil"}, None),
        ("iptables", {"chain": "INPUT"}, Fence.CHECK_MODE),
        ("iptables", {"chain": "INPUT", "wait": "--modprobe=/tmp/x"}, None),
        ("service", {"name": "nginx"}, Fence.CHECK_MODE),
        ("service", {"name": "../../tmp/x"}, None),
        ("shell", {"cmd": "id"}, Fence.SANDBOX),
        ("ansible.legacy.command", {"cmd": "id"}, Fence.SANDBOX),
        ("expect", {"command": "id"}, None),
        ("script", {"cmd": "x"}, None),
        ("raw", {"cmd": "x"}, None),
        ("git", {"repo": "x", "dest": "/x"}, None),
        ("get_url", {"url": "http://x", "dest": "/x"}, None),
        ("dnf", {"name": "x"}, None),
        ("unarchive", {"src": "x", "dest": "/x"}, None),
        ("tempfile", {}, None),
        ("ec2_instance_info", {}, Fence.READING),
        ("ec2_instance", {}, None),
        ("made.up.module", {}, None),
        ("stat", {"path": "/x", "_ansible_remote_tmp": "/etc"}, None),
        ("lineinfile", {"path": "/x", "line": "a", "_ansible_check_mode": False}, None),
    ],
)
def test_an_observation_has_the_fence_of_its_module_and_parameters(
    module: str, params: dict[str, Any], fence: Fence | None
) -> None:
    assert fence_for(module, params) is fence


FALSE = [0, False, 0.0, "0", "", []]
"""Values that a module receives although they are false."""


def counts(one: Module, param: str, value: Any) -> bool:
    """Whether that value makes a difference: one that is false does not, where the module only asks for true."""
    return param not in one.switches or isinstance(value, str | list)


@pytest.mark.parametrize("one", [one for one in TABLE if one.not_observing], ids=lambda one: one.name)
def test_a_parameter_that_is_false_does_not_observe_either(one: Module) -> None:
    for param in one.not_observing:
        for value in FALSE:
            assert (fence_for(one.name, {param: value}) is None) is counts(one, param, value), (param, value)


@pytest.mark.parametrize("one", [one for one in TABLE if one.programs], ids=lambda one: one.name)
def test_a_program_that_is_false_is_executed_too(one: Module) -> None:
    for param in one.programs:
        for value in FALSE:
            assert (ModuleClass.COMMANDS in classes(one.name, {param: value})) is counts(one, param, value)


@pytest.mark.parametrize("one", INSTALLED, ids=lambda one: one.name)
def test_a_switch_is_a_boolean_that_is_off_by_default(one: Module) -> None:
    booleans = {
        spelled
        for key, value in options(one.name).items()
        if value.get("type") == "bool" and value.get("default") in (None, False, "no")
        for spelled in (key, *(value.get("aliases") or ()))
    }
    conditions = {name for written in one.default_writes for name in written.given}
    used = {*one.programs, *one.widening, *one.trees, *one.not_observing, *conditions}
    assert set(one.switches) == booleans & used


def test_a_parameter_that_executes_something_adds_the_class_of_commands() -> None:
    assert classes("lineinfile", {"path": "/x"}) == {ModuleClass.FILES}
    assert classes("lineinfile", {"path": "/x", "validate": "sh %s"}) == {ModuleClass.FILES, ModuleClass.COMMANDS}
    assert classes("made.up", {}) == {ModuleClass.OTHER}


@pytest.mark.parametrize("name", PARAMETERS)
def test_built_in_observations_read(name: str) -> None:
    assert fence_for(name, {}) is Fence.READING
    known = find(name)
    assert known is not None
    assert mentioned(known) <= set(PARAMETERS[name])


def test_the_page_about_modules_is_generated_from_the_table() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "modules.md"
    assert page.read_text() == module_reference.document(), "run `make reference`"
