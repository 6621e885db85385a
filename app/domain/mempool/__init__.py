"""The mempool: what waits, what it pays, and when it will be mined."""
