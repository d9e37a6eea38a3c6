"""Calibrated scores: boxes with labels, what a model says about them, and what is fitted to it."""
