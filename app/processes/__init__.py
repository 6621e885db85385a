"""Composition roots: one module a systemd unit, of the same name."""
