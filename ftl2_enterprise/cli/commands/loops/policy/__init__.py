"""Commands about policy: what is in force, and what it would do."""
