"""Closed forms for recursive training: NumPy and SciPy only, float64, no simulation."""
