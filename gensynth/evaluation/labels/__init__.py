"""Whether labels hold."""
