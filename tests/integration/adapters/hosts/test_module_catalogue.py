"""Names of modules: refused with a sentence, or found; and the parts of FTL2 that we rely on are as we believe."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts import module_catalogue
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.adapters.hosts.ssh import ftl2_context
from ftl2_enterprise.loops.ports import HostEntry
from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SILENT = [
    "raw", "script", "fetch", "reboot", "gather_facts", "wait_for_connection", "validate_argument_spec", "setup",
    "package", "debug", "assert", "set_fact", "pause", "meta", "fail", "include_tasks", "import_role", "set_stats",
    "group_by", "include_vars",
]  # fmt: skip


@pytest_asyncio.fixture
async def modules(tmp_path: Path) -> AsyncIterator[Ftl2Modules]:
    inventory = Inventory()
    inventory.host("web").update(ansible_host="127.0.0.1", ansible_port=1)
    made = Ftl2Modules(inventory.settle(), work_dir=tmp_path, redact=lambda text: text)
    yield made
    await made.close()


@pytest.mark.parametrize("prefix", ["", "ansible.builtin.", "ansible.legacy."])
@pytest.mark.parametrize("name", SILENT)
async def test_modules_that_do_nothing_are_refused_everywhere(modules: Ftl2Modules, name: str, prefix: str) -> None:
    for host in ("localhost", "web"):
        why = modules.refuse(prefix + name, host)
        assert why is not None
        assert why.startswith(f"cannot use the module {prefix}{name}: ")
        assert "\n" not in why
    result = await modules.run(call_of(modules, prefix + name, {}, timeout=5))
    assert (result.success, result.error) == (False, modules.refuse(prefix + name, "localhost"))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("comand", "did you mean command?"),
        ("linefile", "did you mean lineinfile?"),
        ("ansible.builtin.stats", "did you mean stat?"),
        ("community.general.ufw", "ANSIBLE_COLLECTIONS_PATH"),
        ("web.command", "namespace.collection.module"),
        ("../../etc/passwd", "cannot find the module"),
        ("", "cannot find the module"),
    ],
)
def test_an_unknown_module_is_refused_with_the_nearest_name(modules: Ftl2Modules, name: str, nearest: str) -> None:
    why = modules.refuse(name, "localhost")
    assert why is not None
    assert nearest in why


@pytest.mark.parametrize("name", ["command", "ansible.builtin.file", "stat", "amazon.aws.ec2_instance", "apt", "git"])
def test_modules_that_work_are_not_refused(modules: Ftl2Modules, name: str) -> None:
    assert modules.refuse(name, "localhost") is None


def test_cloud_modules_run_on_this_machine(modules: Ftl2Modules) -> None:
    assert "localhost" in (modules.refuse("amazon.aws.ec2_instance", "web") or "")


def test_unknown_hosts_and_connections_are_refused(modules: Ftl2Modules) -> None:
    assert modules.refuse("command", "absent") == "cannot find the host absent: it is not in the inventory"
    modules.add_host(HostEntry(name="win", vars={"ansible_connection": "winrm"}))
    assert "no connection winrm" in (modules.refuse("command", "win") or "")
    modules.add_host(HostEntry(name="root", vars={"ansible_become": True, "ansible_become_method": "su"}))
    assert "sudo only" in (modules.refuse("command", "root") or "")
    modules.add_host(HostEntry(name="pw", vars={"ansible_become": "true", "ansible_become_password": "x"}))
    assert "NOPASSWD" in (modules.refuse("command", "pw") or "")


def collection_module(root: Path, body: str) -> None:
    folder = root / "ansible_collections" / "acme" / "tools" / "plugins"
    (folder / "modules").mkdir(parents=True)
    (folder / "module_utils").mkdir()
    (folder / "module_utils" / "helper.py").write_text("WORD = 'from the library'\n")
    (folder / "modules" / "tell.py").write_text(body)


async def test_a_collection_is_found_with_its_library(
    modules: Ftl2Modules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection_module(
        tmp_path,
        """
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.acme.tools.plugins.module_utils.helper import WORD
AnsibleModule(argument_spec={}).exit_json(changed=True, word=WORD)
""",
    )
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path))
    result = await modules.run(call_of(modules, "acme.tools.tell", {}, timeout=20))
    assert result.error is None
    assert (result.changed, result.output["word"]) == (True, "from the library")


async def test_a_module_without_a_result_has_failed(
    modules: Ftl2Modules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection_module(tmp_path, "DOCUMENTATION = 'only words'\n")
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path))
    result = await modules.run(call_of(modules, "acme.tools.tell", {}, timeout=20))
    assert (result.success, result.error) == (False, "the module returned no result")


# --- what we believe about FTL2 ------------------------------------------------------------------------------------


def test_every_keyword_of_the_context_is_given() -> None:
    context: Any = importlib.import_module("ftl2.automation")
    accepted = {
        name
        for name, parameter in inspect.signature(context.automation).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    assert accepted - {"inventory"} == set(ftl2_context.KEYWORDS)


def test_the_modules_of_ftl2_are_known() -> None:
    package: Any = importlib.import_module("ftl2.ftl_modules")
    ours = set(module_catalogue.NATIVE) | module_catalogue.COMMANDS | module_catalogue.CONTENT
    assert ours == set(package.FTL_MODULES)
    for name, (file, function) in module_catalogue.NATIVE.items():
        module = importlib.import_module(f"ftl2.ftl_modules.{file}")
        assert getattr(module, function) is package.FTL_MODULES[name]


def test_the_parameters_of_modules_with_two_implementations_are_known() -> None:
    package: Any = importlib.import_module("ftl2.ftl_modules")
    for name, known in module_catalogue.NATIVE_PARAMETERS.items():
        parameters = inspect.signature(package.FTL_MODULES[name]).parameters.values()
        assert {p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD} == known


async def test_a_call_may_be_silent_for_more_than_a_minute() -> None:
    await ftl2_context.ready()
    runners: Any = importlib.import_module("ftl2.runners")
    assert runners.RemoteModuleRunner.KEEPALIVE_TIMEOUT >= 600


def test_hosts_are_translated_for_ftl2() -> None:
    entry = HostEntry(
        name="web",
        ansible_port=2222,
        vars={
            "ansible_ssh_private_key_file": "~/key",
            "ansible_ssh_pass": "pw",
            "ansible_host_key_checking": "false",
            "ansible_python_interpreter": "auto_silent",
            "ansible_become": "yes",
            "ansible_become_user": "www",
        },
    )
    host = ftl2_context.host_config(entry)
    assert (host.ansible_host, host.ansible_port, host.ansible_python_interpreter) == ("web", 2222, "python3")
    assert host.vars == {
        "ssh_private_key_file": str(Path("~/key").expanduser()),
        "ansible_password": "pw",
        "disable_host_key_checking": True,
    }
    assert host.become_config.become
    assert host.become_config.become_user == "www"
    assert ftl2_context.host_config(HostEntry(name="web", ansible_port=2223)).name != host.name


def test_host_keys_are_checked_unless_the_inventory_disables_it() -> None:
    assert ftl2_context.host_config(HostEntry(name="web")).vars == {"disable_host_key_checking": False}
    given = HostEntry(name="web", vars={"ansible_host_key_checking": "false"})
    assert ftl2_context.host_config(given).vars == {"disable_host_key_checking": True}
