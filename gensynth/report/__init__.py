"""One HTML file a person can read and one JSON file with the same numbers."""
