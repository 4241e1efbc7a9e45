"""Pure metrics f(real, fake) over numpy arrays, and their declarations."""
