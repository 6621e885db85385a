"""The appliance: a price and a watch on whales, from the operator's own node."""

import os

# One thread for linear algebra: the node's cores are bitcoind's, and threads that wait for a busy core take several
# times as long as one alone. numpy reads it when it is imported, which each of our programs does later.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
