"""What both programs share about submitting loops."""
