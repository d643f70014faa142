"""Rules of the service fire only in the loops that they apply to, and `ftl2ctl rules` shows which they are."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.nouns import LoopSpec, LoopState
from ftl2_enterprise.protocol.loops.verbs import SubmitLoop
from tests.support.loops.rules import write_rule
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon

CLIENT = "ftl2_enterprise.entrypoints.ftl2ctl"


def rules_of(service: Daemon, *arguments: str) -> Any:
    argv = [sys.executable, "-P", "-m", CLIENT, "--socket", service.socket, "rules", *arguments, "--json"]
    done = subprocess.run(argv, env=service.run.environment(), capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_a_rule_fires_in_the_loop_with_its_label_only(tmp_path: Path) -> None:
    head = f"import os\nMADE = {str(tmp_path / 'made')!r}"
    write_rule(
        tmp_path / "rules", "bound", applies_to={"labels": {"tier": "web"}}, head=head,
        condition="return not os.path.exists(MADE)", action="await ftl.file(path=MADE, state='touch')",
    )  # fmt: skip
    with daemon(tmp_path, more=f'[loops]\nrules_dir = "{tmp_path}/rules"\n') as service:
        service.start()

        def submit(name: str, tier: str) -> None:
            spec = LoopSpec(name=name, desired_state="made", decider="rules", labels={"tier": tier})
            service.call(SubmitLoop(spec=spec))

        submit("data", "data")
        until(lambda: service.loop("data").state in {LoopState.FAILED, LoopState.COMPLETED})
        assert service.loop("data").reason == "No rule applies to this loop, so nothing was checked."
        assert not (tmp_path / "made").exists()
        submit("web", "web")
        until(lambda: service.loop("web").state is LoopState.COMPLETED)
        assert (tmp_path / "made").exists()
        assert [rule["name"] for rule in rules_of(service, "list", "--loop", "web")] == ["bound"]
        assert rules_of(service, "list", "--loop", "data") == []
        shown = rules_of(service, "show", "bound")
        assert shown["rule"]["applies_to"] == {"loops": None, "labels": {"tier": ["web"]}, "hosts": None}
        assert [(one["loop"], one["success"]) for one in shown["firings"]] == [("web", True)]
