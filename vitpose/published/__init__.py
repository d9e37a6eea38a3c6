"""Checkpoints that others have published: what there is, and how to get it."""
