"""Code that runs on the managed machine: in a helper process locally, or sent through FTL2's gate.

It uses only the standard library and runs on Python 3.10 and later, because managed hosts have their own versions.
The first observation of a run waits until the helper has loaded, so `server`, `calls`, `processes` and `frames` do
not import `typing`, `pathlib` and modules that only some calls need.
"""
