"""Models by name: the shipped one, and those that others have published."""
