"""The one result type, its masks, how it is drawn, and how it is matched with ground truth."""
