"""The parts of `python -m serving.predict`: which pictures, what is written, in which order."""
