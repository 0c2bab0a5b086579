"""Calibration: finds the keys of an input for which an ensemble of glasses has the stress–strain curve that was measured."""
