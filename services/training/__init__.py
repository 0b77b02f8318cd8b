"""Trains models from uploaded files, as jobs that survive."""
