"""The branch of migrations of notes."""
