"""Whales: which transactions are, what they do, and what becomes of them."""
