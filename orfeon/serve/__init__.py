"""`orfeon serve`: the gateway and the services as child processes of one supervisor."""
