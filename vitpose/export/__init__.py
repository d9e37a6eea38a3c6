"""Exported files: writing a model of a config and a checkpoint as a file, and comparing it with torch."""
