"""Checkpoints of any origin: rename their keys, resize their tensors, check that they fit."""
