"""Trains classifiers of sound: `orfeon train classifier`."""
