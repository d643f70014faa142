"""Values, rows and facts for tests."""
