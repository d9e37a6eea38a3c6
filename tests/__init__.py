"""Tests; a package, so that a `tests` that another distribution installs is not imported instead."""
