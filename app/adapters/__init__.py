"""Ports made real: one outside system a module."""
