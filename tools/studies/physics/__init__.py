"""Steady flow and shear bands: exponents that are known of elasto-plastic models, found again."""
