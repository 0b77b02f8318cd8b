"""Measurements against peers: ratios in one run, on this machine, with the same weights."""
