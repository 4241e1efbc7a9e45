"""Where every row came from: ledger, manifest, Croissant, cards."""
