"""What both the plugin and the tool need. Importing it loads only the standard library."""
