"""Test doubles that keep the protocols of what they stand for."""
