"""The lazy engine: evaluates only sites that could yield."""
