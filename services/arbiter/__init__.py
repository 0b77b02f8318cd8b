"""The arbiter: shares the memory of one node among the services on it."""
