"""The appliance: a price and a watch on whales, from the operator's own node."""
