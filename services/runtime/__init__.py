"""The serving library that every capability container runs on."""
