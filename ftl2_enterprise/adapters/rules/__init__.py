"""The process that executes rules: it can only ask the loop's process for effects."""
