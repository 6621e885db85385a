"""Serialised blocks and transactions, and what can be proven from their bytes alone."""
