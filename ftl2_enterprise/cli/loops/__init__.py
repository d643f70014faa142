"""What the commands of loops share: running a loop in this process, showing it, and asking its prompts."""
