"""Whether synthetic rows help a classifier."""
