"""The paper's eight parameter sets: run, measured, drawn, and held against what the paper says."""
