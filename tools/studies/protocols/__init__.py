"""Physics of the protocols: cycles, stress control, extremal loading, reversal."""
