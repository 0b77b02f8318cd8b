"""Trains language models on the lyrics of a genre: `orfeon train lyrics`."""
