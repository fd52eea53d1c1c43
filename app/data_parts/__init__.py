"""The parts of the view Data."""
