"""The REST API: routes over the client, each with the permission that it needs."""
