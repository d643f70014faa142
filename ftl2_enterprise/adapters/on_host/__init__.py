"""Code that runs beside the managed files: in a helper process on this machine, or shipped through FTL2's gate.

Everything here is plain standard library and runs on any Python from 3.10 on, because a managed host brings its own.
"""
