"""Engines, deciders, rules and manifests for tests."""
