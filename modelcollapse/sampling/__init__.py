"""The random kernels: every draw is exact in law, and every key is an address."""
