"""What people corrected, put back into the export that it came from."""
