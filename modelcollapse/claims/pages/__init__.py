"""Pages that are written from the claims: the atlas of theorems, the errata, the calibration of the false-alarm rate."""
