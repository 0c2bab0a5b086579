"""What a user may ask for: strict YAML, a schema, and the files that the input names."""
