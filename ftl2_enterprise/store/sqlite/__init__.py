"""The driver for SQLite. No other part of the program imports `sqlite3`."""
