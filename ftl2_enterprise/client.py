"""The socket: connect to the service, call its verbs, watch."""
