"""Restart nginx when it is not active."""

# Only loops with this label: `ftl2ctl submit --label role=web`.
applies_to = {"labels": {"role": "web"}}

# Each iteration makes these observations. The results are in `state`, by name. Add "host": "web" for a group of the inventory; the
# result is then a list.
observe = [
    {"name": "nginx", "module": "command", "params": {"cmd": "systemctl is-active nginx"}},
]


async def condition(state):
    # `is-active` prints "inactive" or "failed" and exits with 3. A machine without systemd prints nothing: do not act there.
    return state["nginx"]["stdout"].strip() in {"inactive", "failed"}


async def action(ftl):
    # Every call is an action of the loop: policy applies to it, and the history shows it.
    await ftl.command(cmd="systemctl restart nginx")
