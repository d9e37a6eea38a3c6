"""The command-line tool of vitpose_mm. Importing it loads only the standard library."""
