"""Truncate the application's log when it is larger than 100 MB."""

# Loops with one of these labels.
applies_to = {"labels": {"role": ["web", "app"]}}

LOG = "/var/log/app/app.log"
LIMIT = 100 * 1000 * 1000

observe = [
    # The size in bytes, or 0 if there is no such file. A rule whose observation fails would be reported as an error.
    {"name": "log", "module": "shell", "params": {"cmd": f"stat --format=%s {LOG} 2>/dev/null || echo 0"}},
]


async def condition(state):
    return int(state["log"]["stdout"]) > LIMIT


async def action(ftl):
    # Keep the last 1000 lines. The program keeps writing to the same file.
    await ftl.shell(cmd=f"tail -n 1000 {LOG} > {LOG}.kept && cat {LOG}.kept > {LOG} && rm {LOG}.kept")
