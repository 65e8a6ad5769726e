"""Placeholder while the command line is written."""
