"""The database: tables, and the ports that are answered from them."""
