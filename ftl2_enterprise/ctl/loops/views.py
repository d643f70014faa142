"""Commands and aliases of them that show a view which the service renders, and the name of the view (decision 10)."""

OF_MANY = {"status": "status", "list": "status", "prompts": "prompts"}
"""Lists, which have the options of lists."""
OF_ONE = {"show": "show"}
"""Views of one thing, which has to be named."""
