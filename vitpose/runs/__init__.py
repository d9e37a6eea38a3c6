"""Running MIM, and reading what a training run wrote."""
