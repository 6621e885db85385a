"""Data that comes with a release; `known_addresses.csv` says in each line who said so, where and when."""
