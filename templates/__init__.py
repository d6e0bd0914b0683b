"""Jinja2 templates, one file an output."""
