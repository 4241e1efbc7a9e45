"""What the synthetic rows are worth: fidelity, support, utility, verdict."""
