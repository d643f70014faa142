"""Code that runs beside the managed files: in a helper process on this machine, or shipped through FTL2's gate.

Everything here is plain standard library and runs on any Python from 3.10 on, because a managed host brings its own.
The first look of a run waits for the helper to load, so `server`, `calls`, `processes` and `frames` begin without
`typing`, `pathlib` and whatever only some calls need.
"""
