"""Starting, finding and killing processes."""
