"""A scripted service with loops and prompts that a test changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.facts import PromptAnswered, PromptAsked, PromptDismissed, PromptExpired
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.protocol.loops.replies import LoopPage, PromptDetail, PromptLine
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import EventPage, ListEvents, WatchEvents
from tests.support.data import builders
from tests.support.scripted.scripted_service import ScriptedService, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl2_enterprise.protocol.fact import Fact
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.protocol.loops.replies import LoopLine


CLOSED: dict[PromptState, type[Fact]] = {
    PromptState.ANSWERED: PromptAnswered,
    PromptState.EXPIRED: PromptExpired,
    PromptState.DISMISSED: PromptDismissed,
}


class PlayedService(ScriptedService):
    """Its loops run, under the given names."""

    def __init__(self, path: Path, names: Sequence[str] = ("web",)) -> None:
        super().__init__(path)
        self.loops: list[LoopLine] = [builders.loop_line(name, id=n) for n, name in enumerate(names, 1)]
        self.prompts: list[PromptLine] = []
        self.events = Stream()
        self.cursor = 100
        self.on(ListLoops, lambda _request: LoopPage(loops=self.loops))
        self.on(ListPrompts, lambda _request: self.prompts)
        self.on(ListRules, [])
        self.on(WatchEvents, self.events)
        self.on(ListEvents, lambda _request: EventPage(events=[], cursor=self.cursor))

    def happen(self, fact: type[Fact], **fields: Any) -> None:
        """Notify the watches."""
        self.cursor += 1
        self.events.send(builders.event(self.cursor, fact, **fields))

    def opens(self, prompt: Prompt) -> None:
        """A prompt that is open from now on, and can be shown."""
        self.shows(prompt)
        self.asks(prompt)

    def asks(self, prompt: Prompt) -> None:
        """A prompt that is open from now on; what is known of prompts stays as it was."""
        self.prompts.append(PromptLine(prompt=prompt, loop="web"))
        self.happen(PromptAsked, prompt_id=prompt.id)

    def closes(self, prompt: Prompt) -> None:
        """The prompt as it is from now on: not open any more."""
        self.prompts = [one for one in self.prompts if one.prompt.id != prompt.id]
        self.shows(prompt)
        self.happen(CLOSED[prompt.state], prompt_id=prompt.id)

    def shows(self, prompt: Prompt) -> None:
        """What is known of the prompt."""
        self.on(ShowPrompt, PromptDetail(prompt=prompt, loop="web", desired_state="nginx runs", observations=[]))
