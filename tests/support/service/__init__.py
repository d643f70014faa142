"""The service and its processes, as tests start them."""
