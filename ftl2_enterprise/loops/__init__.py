"""Lifecycles, engine, manager, handlers."""
