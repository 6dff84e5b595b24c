"""Recursive training of generative models, simulated by the million and held against its exact theory."""
