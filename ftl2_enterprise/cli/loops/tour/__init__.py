"""The tour: its manifest, templates and managed service, which `tour` copies into a scratch directory and runs."""
