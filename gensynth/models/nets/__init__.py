"""Network bodies, sized from the data's own shape and one `width` dial."""
