"""How good a classifier is, and how it bears what recordings suffer: `orfeon eval classifier`."""
