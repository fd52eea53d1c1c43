"""What goes over the wire, for both ends: messages, tensors, errors."""
