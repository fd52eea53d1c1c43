"""The server's models: base paths polled, versions checked, loaded, swapped and held."""
