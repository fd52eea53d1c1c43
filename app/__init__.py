"""The page: what the model sees, for people who would rather look than read."""
