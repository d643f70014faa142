"""Commands about the service: its process, its database and its settings."""
