"""The real service with a model that asks one question, and counts how often it is asked itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState, PromptState
from ftl2_enterprise.protocol.loops.verbs import ListPrompts
from tests.support.loops.models import fake_claude
from tests.support.service.daemon import Daemon, daemon

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

DESIRED_STATE = "nginx answers on a port that a person chooses"
# Asks for the port until the file `answered` exists; each call leaves a line.
BODY = """
with open(os.path.join({base!r}, "calls"), "a") as calls:
    calls.write("call\\n")
if os.path.exists(os.path.join({base!r}, "answered")):
    reply(structured_output={{"converged": True, "reasoning": "done"}})
else:
    ask = {{"question": "Which port?", "options": ["8080", "9090"], "key": "port"}}
    reply(structured_output={{"reasoning": "a port is needed", "ask": ask}})
"""


@contextmanager
def asking_daemon(directory: Path) -> Generator[Daemon]:
    """It is started, and has no loops yet."""
    program = fake_claude(directory, BODY.format(base=str(directory)))
    with daemon(directory, more=f'[model]\nprovider = "claude"\ncommand = "{program}"\n') as made:
        made.start()
        yield made


def calls(directory: Path) -> int:
    """How often the model was called."""
    return len((directory / "calls").read_text().splitlines())


def asked(service: Daemon) -> int:
    """The prompt of the loop `web`, once it waits for the answer."""
    service.submit("web", DESIRED_STATE, observers=[])
    waiting = service.until_state("web", LoopState.WAITING, LoopState.FAILED)
    assert (waiting.state, waiting.reason) == (LoopState.WAITING, None)
    (line,) = service.call(ListPrompts())
    assert (line.loop, line.prompt.question, line.prompt.state) == ("web", "Which port?", PromptState.OPEN)
    return line.prompt.id
