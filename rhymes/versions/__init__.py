"""Versions of data and models: what Git and DVC say of them, what is published."""
