"""The tour: a manifest, its templates and its service; `tour` copies them into a scratch directory and runs them."""
