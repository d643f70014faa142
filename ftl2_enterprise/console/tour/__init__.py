"""The tour: a manifest, its templates and its service, which `tour` copies into a scratch directory and runs there."""
