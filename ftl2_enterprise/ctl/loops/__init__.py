"""What several commands about loops share."""
