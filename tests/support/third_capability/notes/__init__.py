"""Texts with names, each with a process."""
