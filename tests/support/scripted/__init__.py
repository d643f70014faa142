"""Services and clients that follow a script."""
