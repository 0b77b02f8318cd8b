"""The chat container: text generation in conversation."""
