"""Trains and judges the composer's network: `python -m services.melody.training --data DIR`."""
