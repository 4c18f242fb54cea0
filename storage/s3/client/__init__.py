"""The bucket as the service speaks to it: requests, presigned links. Only here is boto used."""
