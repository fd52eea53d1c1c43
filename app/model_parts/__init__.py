"""The parts of the view Model."""
