"""What `run` and `submit` are asked with in the same words."""

from __future__ import annotations

import click

from ftl2_enterprise.render.loops import desired_state

DESIRED_STATE = click.argument("desired_state", required=False)
NAME = click.option("--name", help="What the loop is called; by default made from the desired state.")
MODE = click.option(
    "--mode", type=click.Choice([str(mode) for mode in desired_state.MODES]), default="single", show_default=True
)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
POLICY = click.option("--policy", metavar="FILE", help="What must not happen.")
ENVIRONMENT = click.option(
    "--environment", default="", help="The environment that policy may speak of, such as `production`."
)
RULES_DIR = click.option("--rules-dir", metavar="DIR", help="Rules that spare the model.")
DECIDER = click.option(
    "--decider", type=click.Choice(desired_state.DECIDERS), default="auto", show_default=True, help="Who decides."
)
MODEL = click.option("--model", help="The model that the decider asks.")
MAX_COST = click.option(
    "--max-cost", type=click.FloatRange(min=0), metavar="USD", help="What the loop may spend on models."
)
