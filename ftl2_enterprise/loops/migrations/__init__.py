"""The branch of migrations of the tables of loops; up to revision 0004 they are in the history of the store."""
