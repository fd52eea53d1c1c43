"""The server's flags, and what the files that they name hold."""
