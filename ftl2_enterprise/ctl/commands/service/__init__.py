"""Commands about the service itself: its events, its logs, its settings, its life."""
