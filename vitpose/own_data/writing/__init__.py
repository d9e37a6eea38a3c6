"""Write a dataset and the config that trains on it."""
