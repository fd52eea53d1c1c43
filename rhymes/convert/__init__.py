"""A data version or predictions, written as other tools read them."""
