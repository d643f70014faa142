"""What may reach a host or a model: effects, verdicts, permits, policy, budgets. Pure; the caller passes all in."""
