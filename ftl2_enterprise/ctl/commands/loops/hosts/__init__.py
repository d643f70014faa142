"""Commands about hosts: those that loops have recorded, and those whose SSH keys are trusted."""
