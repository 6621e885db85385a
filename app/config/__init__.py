"""Settings: one declaration, and what is rendered from it."""
