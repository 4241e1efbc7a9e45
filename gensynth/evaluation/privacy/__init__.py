"""What synthetic rows give away of real ones."""
