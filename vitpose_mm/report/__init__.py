"""What a finished run shows: its table, its learning curve and a gallery of what it sees."""
