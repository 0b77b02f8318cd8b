"""The public gRPC of the gateway: the contracts of the services, for whoever has a key."""
