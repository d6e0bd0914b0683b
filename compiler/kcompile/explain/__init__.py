"""Readers of a bundle: what `get` and `describe` show."""
