"""The lazy engine: it evaluates only sites that could yield."""
