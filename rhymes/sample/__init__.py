"""Draws the sample: trays of a cafeteria, with every dish's outline."""
