"""Commands about the service itself: its events, logs and settings, its shutdown and upgrade."""
