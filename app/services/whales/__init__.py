"""Whales followed from first sight to their end."""
