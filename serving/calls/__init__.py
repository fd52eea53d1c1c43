"""The client's parts: the connection, what the model wants to be sent, what its answers mean."""
