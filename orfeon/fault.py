"""The failure of a command."""


class Fault(Exception):
    """Something that the person at the command line has to change; the message says what."""
