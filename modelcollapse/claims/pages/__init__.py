"""Pages that are written from the claims: the atlas of theorems, and the calibration of the false-alarm rate."""
