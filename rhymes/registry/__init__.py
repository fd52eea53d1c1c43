"""Which versions of the detector are published, by Git tags, and how they get into a base path.

Git and DVC are started as commands, and DVC only where a remote is concerned.
"""
