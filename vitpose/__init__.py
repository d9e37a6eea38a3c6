"""The command line tool of vitpose_mm. Importing it loads the standard library alone."""
