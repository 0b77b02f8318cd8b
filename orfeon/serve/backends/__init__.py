"""Backends that the Triton of the wheel lacks, in Python; the launcher links them into place."""
