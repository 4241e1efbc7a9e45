"""How many rows of each class, which of them to keep, and the merge with the real ones."""
