"""Commands on this machine: results, parameters, and bounded output."""

from __future__ import annotations

import resource
import signal
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import addresses
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.gate.effects import HostIdentity
from ftl2_enterprise.loops.ports import HostEntry
from tests.support.loops.local_calls import MIB, run
from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_command_returns_status_and_output(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd="echo out; echo err >&2")
    assert (result.success, result.changed, result.rc) == (True, True, 0)
    assert (result.stdout, result.stderr, result.error) == ("out\n", "err\n", None)
    assert result.output == {"cmd": "echo out; echo err >&2", "rc": 0}


async def test_an_exit_status_is_a_failure_with_a_reason(modules: Ftl2Modules) -> None:
    result = await run(modules, "command", cmd="echo first >&2; echo no such thing >&2; exit 3")
    assert (result.success, result.rc) == (False, 3)
    assert result.error == "exit status 3: no such thing"


async def test_a_program_that_a_signal_ends_is_reported_as_by_a_shell(modules: Ftl2Modules, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport os\nos.kill(os.getpid(), {int(signal.SIGSEGV)})\n")
    program.chmod(0o755)
    # The second one needs a shell.
    for cmd in (str(program), f"{program}; exit $?"):
        result = await run(modules, "command", cmd=cmd)
        assert (result.rc, result.stderr, result.error) == (
            128 + signal.SIGSEGV, "Segmentation fault\n", f"exit status {128 + signal.SIGSEGV}: Segmentation fault",
        ), cmd  # fmt: skip


async def test_argv_is_executed_without_a_shell(modules: Ftl2Modules) -> None:
    result = await run(modules, "command", argv=["printf", "%s|", "$HOME", "a b"])
    assert result.stdout == "$HOME|a b|"


async def test_a_program_that_does_not_exist_is_a_failure(modules: Ftl2Modules) -> None:
    result = await run(modules, "command", argv=["/no/such/program"])
    assert not result.success
    assert result.error is not None
    assert "/no/such/program" in result.error


async def test_commands_accept_the_parameters_of_ansible(modules: Ftl2Modules, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    in_folder = await run(modules, "command", cmd="pwd; cat", chdir=str(tmp_path), stdin="given")
    assert in_folder.stdout == f"{tmp_path}\ngiven\n"
    created = await run(modules, "command", cmd="echo ran", creates="the*", chdir=str(tmp_path))
    assert (created.success, created.changed, created.stdout) == (True, False, "")
    removed = await run(modules, "command", cmd="echo ran", removes=str(tmp_path / "gone"))
    assert (removed.success, removed.changed) == (True, False)
    elsewhere = await run(modules, "command", cmd="pwd", chdir=str(tmp_path / "gone"))
    assert not elsewhere.success
    environment = await run(modules, "shell", cmd="echo $COLOUR", environment={"COLOUR": "blue"})
    assert environment.stdout == "blue\n"


async def test_a_wrong_parameter_is_refused_before_anything_runs(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "command", cmd=f"touch {tmp_path / 'ran'}", chdri="/")
    assert not result.success
    assert (result.error or "").startswith("cannot use the parameter chdri of command")
    assert not (tmp_path / "ran").exists()


async def test_bytes_that_are_not_utf8_do_not_fail_the_command(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd=r"printf 'a\377b'")
    assert (result.success, result.stdout) == (True, "a\ufffdb")


async def test_80_mb_of_output_are_truncated_and_marked(modules: Ftl2Modules) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await run(modules, "shell", cmd="yes | head -c 80000000; echo end >&2")
    assert result.success
    assert result.truncated
    assert len(result.stdout) < MIB + 100
    assert result.stdout.endswith(f"[{80_000_000 - MIB} more bytes were not kept]\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024


async def test_a_host_with_a_local_connection_is_this_machine(modules: Ftl2Modules) -> None:
    modules.add_host(HostEntry(name="here", groups=("g",), vars={"ansible_connection": "local"}))
    result = await modules.run(call_of(modules, "command", {"cmd": "echo hi"}, host="here", timeout=5))
    assert result.stdout == "hi\n"
    expected = HostIdentity(
        name="here",
        names=("g",),
        others=(("localhost", "local"),),
        aliases=addresses.of_this_machine(),
        is_registered=True,
    )
    assert modules.identity("here") == expected
    modules.remove_host("here")
    gone = await modules.run(call_of(modules, "command", {"cmd": "echo hi"}, host="here", timeout=5))
    assert not gone.success
    assert "cannot find the host here" in (gone.error or "")


async def test_become_is_refused_where_ftl2_would_ignore_it(tmp_path: Path) -> None:
    inventory = Inventory()
    inventory.host("here").update(ansible_connection="local", ansible_become="yes")
    modules = Ftl2Modules(inventory.settle(), work_dir=tmp_path, redact=lambda text: text)
    assert "cannot become" in (modules.refuse("command", "here") or "")
    result = await modules.run(call_of(modules, "command", {"cmd": "id"}, host="here", timeout=5))
    assert not result.success
    await modules.close()


async def test_injected_and_redacted_values_are_not_returned(tmp_path: Path) -> None:
    secret = 'pass"word\nof two lines'
    modules = Ftl2Modules(
        None,
        work_dir=tmp_path,
        redact=lambda text: text.replace("hunter2", "***"),
    )
    try:
        result = await run(
            modules, "shell", cmd="echo hunter2; tee /dev/stderr; exit 1", stdin=secret, injected=["stdin"]
        )
        assert secret not in result.stdout + result.stderr
        assert "***" in result.stdout
        assert "hunter2" not in str(result.output) + str(result.error)
        assert "of two lines" not in f"{result.stdout}{result.stderr}{result.output}{result.error}"
    finally:
        await modules.close()


async def test_secrets_within_returned_json_are_hidden(tmp_path: Path) -> None:
    modules = Ftl2Modules(
        None,
        work_dir=tmp_path,
        redact=lambda text: text,
    )
    try:
        result = await run(
            modules,
            "lineinfile",
            path=str(tmp_path / "f"),
            create=True,
            state="absent",
            line='to"ken=\\x',
            injected=["line"],
        )
        assert 'to"ken' not in str(result)
        assert "to\\" not in str(result)
    finally:
        await modules.close()


async def test_a_command_that_cannot_be_executed_fails_as_in_a_shell(modules: Ftl2Modules, tmp_path: Path) -> None:
    missing = await run(modules, "command", cmd="no-such-program-here --version")
    assert (missing.rc, "not found" in missing.stderr) == (127, True)
    plain = tmp_path / "plain"
    plain.write_text("echo from $0\n")
    refused = await run(modules, "command", cmd=str(plain))
    assert (refused.rc, "ermission denied" in refused.stderr) == (126, True)
    # A script without an interpreter line is one for the shell.
    plain.chmod(0o755)
    assert (await run(modules, "command", cmd=str(plain))).stdout == f"from {plain}\n"


async def test_the_search_path_of_the_call_is_used_without_a_shell(modules: Ftl2Modules, tmp_path: Path) -> None:
    program = tmp_path / "hostname"
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    result = await run(modules, "command", cmd="hostname", environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert result.stdout == "mine\n"


async def test_a_script_without_an_interpreter_line_is_executed(modules: Ftl2Modules, tmp_path: Path) -> None:
    for name, text in (("first", "echo first\n"), ("second", "#!/bin/sh\necho second\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "program").write_text(text)
        (tmp_path / name / "program").chmod(0o755)
    environment = {"PATH": f"{tmp_path}/first:{tmp_path}/second:/usr/bin:/bin"}
    assert (await run(modules, "command", cmd="program", environment=environment)).stdout == "first\n"


async def test_a_command_has_the_working_directory_in_its_environment(modules: Ftl2Modules) -> None:
    plain = await run(modules, "command", cmd="printenv PWD", environment={"PWD": "/nowhere"})
    by_shell = await run(modules, "command", cmd="printenv PWD;", environment={"PWD": "/nowhere"})
    assert plain.stdout == by_shell.stdout != ""
