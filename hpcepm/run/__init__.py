"""A run: a model, a loading, save points and a store, on some ranks."""
