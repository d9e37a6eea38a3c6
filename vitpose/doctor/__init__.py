"""What is installed, what is wrong with it, and how to fix it; needs only the standard library."""
