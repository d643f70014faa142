"""The scenarios of each golden file of `tests/snapshots/loops`."""

from __future__ import annotations

from tests.snapshots.loops.scenarios.details import ACTIONS_VIEW, HISTORY_VIEW, LOOP_VIEW
from tests.snapshots.loops.scenarios.endings import REPLIES, SUMMARY, exits, words_of_states
from tests.snapshots.loops.scenarios.inventory import HOST_KEYS, HOSTS_VIEW, RESOURCES_VIEW, RULES_VIEW
from tests.snapshots.loops.scenarios.lists import LOOPS_VIEW
from tests.snapshots.loops.scenarios.narration import NARRATION, WATCHED
from tests.snapshots.loops.scenarios.policy import POLICY
from tests.snapshots.loops.scenarios.prompts import PROMPT, PROMPTS_VIEW
from tests.snapshots.loops.scenarios.revisions import REVISIONS_VIEW
from tests.snapshots.loops.scenarios.why import ATTENTION_VIEW, WHY_VIEW
from tests.snapshots.scenario import Scenario

GOLDEN = {
    "loops_view": LOOPS_VIEW,
    "loop_view": LOOP_VIEW,
    "why_view": WHY_VIEW,
    "attention_view": ATTENTION_VIEW,
    "history_view": HISTORY_VIEW,
    "actions_view": ACTIONS_VIEW,
    "prompts_view": PROMPTS_VIEW,
    "rules_view": RULES_VIEW,
    "policy": POLICY,
    "hosts_view": HOSTS_VIEW,
    "host_keys": HOST_KEYS,
    "resources_view": RESOURCES_VIEW,
    "revisions_view": REVISIONS_VIEW,
    "prompt": PROMPT,
    "narration": NARRATION,
    "watched": WATCHED,
    "summary": SUMMARY,
    "replies": REPLIES,
    "exit_statuses": [Scenario("meanings, and the status for each standing", exits)],
    "words": [Scenario("states, results and conditions", words_of_states, has_colour=True)],
}
