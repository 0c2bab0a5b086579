"""What is told to a user as it is. It is known before anything large is loaded."""


class NoRun(Exception):
    """There is no run that could be looked at; the message says where, and why not."""
