"""The REST API: one module a group of routes."""
