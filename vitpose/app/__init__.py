"""The web page of `vitpose app`."""
