"""Reading labelled data, looking at it, splitting it, turning it into tensors."""
