"""Read annotations of any known format."""
