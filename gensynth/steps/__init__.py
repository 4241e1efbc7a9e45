"""The steps of the walk, each with what it needs."""
