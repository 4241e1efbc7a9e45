"""Conditional generators (one file each; the file name is the registry) and the classifier."""
