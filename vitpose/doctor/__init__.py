"""What is installed, what is wrong with it, and how to fix it. The standard library alone."""
