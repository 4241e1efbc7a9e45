"""Everything that makes new labelled rows, behind one interface."""
