"""Which versions of the detector are published, by Git tags, and how they get into a base path."""
