"""The paper's eight parameter sets.

Run, measured, drawn, and held against what the paper says of them.
"""
