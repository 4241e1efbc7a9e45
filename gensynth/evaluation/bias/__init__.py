"""Who is in the rows, and for whom classifiers work."""
