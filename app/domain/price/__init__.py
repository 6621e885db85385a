"""The on-chain estimate of the price."""
