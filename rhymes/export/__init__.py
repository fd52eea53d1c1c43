"""A Rhymes export: its CSV files, their cells in each dialect, and its images fetched."""
