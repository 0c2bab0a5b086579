"""What a user may ask for: strict YAML, a schema, and the files that the input names."""

from .problems import InputError
from .read import ReadInput, read_input, refuse_too_large
from .schema import Input

__all__ = ["Input", "InputError", "ReadInput", "read_input", "refuse_too_large"]
