"""Run MIM, read training logs and format results."""
