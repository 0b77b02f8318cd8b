"""The language engine against the loop that it cannot beat and the servers that it should."""
