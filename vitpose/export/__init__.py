"""Exported files: writing one of a config and a checkpoint, and comparing it with torch."""
