"""What generators with differential privacy are built from: noise, its key, what it costs, features without data."""
