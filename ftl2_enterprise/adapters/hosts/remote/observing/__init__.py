"""Built-in observations: what they return is read from the kernel, from files, or from programs with fixed arguments.

None of them changes its host, so they need no sandbox. They use only the standard library, of Python 3.10 and later.
"""
