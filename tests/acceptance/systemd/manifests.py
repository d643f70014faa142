"""Desired states that loops in machines have."""

from __future__ import annotations

HOME = "/var/lib/ftl2-enterprise"
"""Where loops may write."""

MESSAGE = f"""\
version: 1
name: message
steps:
  - name: file
    copy: {{dest: {HOME}/message, content: "as desired\\n", mode: 0644}}
"""

QUESTION = f"""\
version: 1
name: greeting
questions:
  - key: word
    question: "Which greeting?"
    options: [hello, good day]
steps:
  - name: file
    copy: {{dest: {HOME}/greeting, content: "{{{{ answers.word }}}}\\n", mode: 0644}}
"""


def long(name: str, command: str, *, until: str) -> str:
    """One action that takes as long as the command does."""
    return f"""\
version: 1
name: {name}
steps:
  - name: long
    check: {{command: "test -e {until}"}}
    action: {{module: shell, params: {{cmd: "{command}"}}}}
"""


GATE = f"{HOME}/gate"
BEGUN = f"{HOME}/begun"
GATED = long(
    "gated", f"touch {BEGUN}; until test -e {GATE}; do sleep 0.1; done; touch {HOME}/done", until=f"{HOME}/done"
)
"""In the middle of a long action until the gate is opened."""
