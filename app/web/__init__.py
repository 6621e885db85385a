"""What comes in over HTTP: thin views on services."""
