"""The files of examples/ do what their comments state: manifests converge, rules fire, the policy denies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from ftl2_enterprise.adapters.hosts.inventory.files import load
from tests.support.processes.command import Command

EXAMPLES = Path("examples")
MANIFESTS = sorted((EXAMPLES / "manifests").glob("*.yaml"))
RULES = sorted((EXAMPLES / "rules").glob("*.py"))
DENIED, CHANGES = 4, 7
STUBS = {
    # Whether nginx is active is a file, which `restart` creates.
    "systemctl": """case "$1 $2" in
        "is-active nginx") test -e "$STATE/nginx" && echo active || { echo inactive; exit 3; } ;;
        "restart nginx") : > "$STATE/nginx" ;;
        "is-enabled backup.timer") test -e "$STATE/timer" && echo enabled || exit 1 ;;
        "enable --now") : > "$STATE/timer" ;;
        "reload ssh") : > "$STATE/reloaded" ;;
        "daemon-reload ") ;;
        *) echo "not expected: $*" >&2; exit 64 ;;
    esac""",
    "dpkg-query": """test "$*" = "--show nginx" """,
    "sshd": """test "$*" = "-t" """,
    "ps": """test "$*" = "--pid 1 --format comm=" && echo systemd""",
}
"""Programs of a host that the examples call, so that nothing of this machine is changed."""


class Controller:
    """A copy of the examples whose paths are below a temporary root, and whose hosts are this machine."""

    def __init__(self, work: Path) -> None:
        self.examples = work / "examples"
        self.root = work / "root"
        self.state = work / "state"
        programs = work / "programs"
        for folder in (self.root, self.state, programs):
            folder.mkdir()
        for name, script in STUBS.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        shutil.copytree(EXAMPLES, self.examples)
        for path in (*self.examples.rglob("*.yaml"), *self.examples.rglob("*.py")):
            text = path.read_text()
            for place in ("/etc/", "/srv/", "/run/", "/var/cache/", "/var/log/"):
                text = text.replace(f" {place}", f" {self.root}{place}").replace(f'"{place}', f'"{self.root}{place}')
            path.write_text(text)
        for folder in (
            "etc/nginx/conf.d",
            "etc/ssh/sshd_config.d",
            "etc/systemd/system",
            "srv",
            "run",
            "var/cache",
            "var/log/app",
        ):
            (self.root / folder).mkdir(parents=True)
        inventory = yaml.safe_load((EXAMPLES / "inventory.yaml").read_text())
        # One host in all groups: several would write the same files here.
        for group in inventory["production"]["children"].values():
            group["hosts"] = {"node": {"ansible_connection": "local"}}
        del inventory["production"]["vars"]
        self.inventory = work / "local.yaml"
        self.inventory.write_text(yaml.safe_dump(inventory))
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.command = Command(work, env={"PATH": path, "STATE": str(self.state)})

    def run(self, *arguments: str | Path, status: int = 0) -> str:
        """Run in the foreground, compare the exit status, and return the output."""
        done = self.command.run("run", *map(str, arguments), "--non-interactive")
        output = done.stdout + done.stderr
        assert done.returncode == status, output
        return output


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def test_there_are_as_many_as_the_page_lists() -> None:
    assert (len(MANIFESTS), len(RULES)) == (5, 2)
    page = (EXAMPLES / "README.md").read_text()
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix in {".yaml", ".py"}]
    assert [path for path in files if f"]({path.relative_to(EXAMPLES)})" not in page] == []


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_previews_converges_and_stays_converged(controller: Controller, manifest: Path) -> None:
    path = controller.examples / "manifests" / manifest.name
    given = (path, "-i", controller.inventory)
    controller.run(*given, "--name", "preview", "--dry-run", status=CHANGES)
    assert not any(controller.state.iterdir())
    assert "converged" in controller.run(*given, "--name", "first")
    controller.run(*given, "--name", "again", "--dry-run")


def test_what_the_manifests_wrote(controller: Controller) -> None:
    for manifest in MANIFESTS:
        controller.run(controller.examples / "manifests" / manifest.name, "-i", controller.inventory)
    assert "Contact: platform team" in (controller.root / "etc/motd").read_text()
    site = (controller.root / "etc/nginx/conf.d/site.conf").read_text()
    assert "listen 8080;" in site
    assert f"root {controller.root}/srv/www;" in site
    assert {path.name for path in controller.state.iterdir()} == {"nginx", "timer", "reloaded"}


def test_a_changed_configuration_is_reloaded_again(controller: Controller) -> None:
    manifest = controller.examples / "manifests/sshd.yaml"
    controller.run(manifest, "-i", controller.inventory)
    (controller.state / "reloaded").unlink()
    manifest.write_text(manifest.read_text().replace("PermitRootLogin prohibit-password", "PermitRootLogin no"))
    controller.run(manifest, "-i", controller.inventory, "--name", "again")
    assert (controller.state / "reloaded").exists()


def test_the_rules_fire_when_their_situation_exists(controller: Controller) -> None:
    log = controller.root / "var/log/app/app.log"
    rule = controller.examples / "rules/truncate_large_log.py"
    rule.write_text(rule.read_text().replace("100 * 1000 * 1000", "10000"))
    log.write_text("".join(f"line {n}\n" for n in range(5000)))
    rules = ("--decider", "rules", "--rules-dir", controller.examples / "rules")
    given = ("the application runs", "--label", "role=web", *rules)
    shown = controller.run(*given, "--name", "first")
    assert "restart_nginx" in shown
    assert "truncate_large_log" in shown
    assert (controller.state / "nginx").exists()
    kept = log.read_text().splitlines()
    assert (len(kept), kept[0], kept[-1]) == (1000, "line 4000", "line 4999")
    assert "restart_nginx" not in controller.run(*given, "--name", "again")


@pytest.mark.parametrize(
    ("module", "params", "reason"),
    [
        ("shell", {"cmd": "curl https://example.org/setup | sh"}, "not downloaded and executed in production"),
        ("file", {"path": "ROOT/srv/data", "state": "absent"}, "deleted only by a person"),
        ("apt", {"name": "postgresql", "state": "latest"}, "maintenance window"),
        ("uri", {"url": "http://127.0.0.1:9/"}, "do not call web services"),
    ],
)
def test_the_policy_denies(controller: Controller, module: str, params: dict[str, str], reason: str) -> None:
    step = {
        "name": "step",
        "host": "database",
        "check": {"command": "test -e /nowhere"},
        "action": {
            "module": module,
            "params": {key: text.replace("ROOT", str(controller.root)) for key, text in params.items()},
        },
    }
    manifest = controller.examples / "denied.yaml"
    manifest.write_text(yaml.safe_dump({"version": 1, "name": "denied", "steps": [step]}))
    policy = ("--policy", controller.examples / "policy.yaml", "--environment", "production")
    assert reason in controller.run(manifest, "-i", controller.inventory, *policy, status=DENIED)


def test_the_policy_permits_the_other_examples(controller: Controller) -> None:
    policy = ("--policy", controller.examples / "policy.yaml", "--environment", "production")
    for manifest in MANIFESTS:
        path = controller.examples / "manifests" / manifest.name
        assert "converged" in controller.run(path, "-i", controller.inventory, *policy)
    rules = ("--decider", "rules", "--rules-dir", controller.examples / "rules")
    given = ("the application runs", "--label", "role=web", *rules)
    (controller.state / "nginx").unlink()
    assert "rule fired: restart_nginx" in controller.run(*given, *policy)


def test_the_inventory_is_valid() -> None:
    inventory = load(EXAMPLES / "inventory.yaml")
    assert sorted(inventory.expand("production")) == ["db1", "web1", "web2"]
    entry = inventory.entry("db1")
    assert entry is not None
    assert (entry.vars["ansible_port"], entry.vars["ansible_user"], entry.vars["ansible_become"]) == (
        2222,
        "admin",
        True,
    )
