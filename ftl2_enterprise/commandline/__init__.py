"""What both programs share: declared commands, their parser, their help, and how problems are shown."""
