"""How true synthetic rows are."""
