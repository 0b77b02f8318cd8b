"""The capability containers, one package each, and the runtime they share."""
