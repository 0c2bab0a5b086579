"""Calibration: find the keys of an input with which an ensemble has the curve that was measured."""
