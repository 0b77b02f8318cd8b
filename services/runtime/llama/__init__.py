"""Language models in GGUF: many sequences decode together, and an urgent one goes first."""
