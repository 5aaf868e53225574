"""What a host says of a call that did not succeed."""
OK, FAILED, TOO_LARGE, NOT_FINITE, NO_METHOD = 0, 1, 2, 3, 4
NOT_SET_UP, BAD_IMPLEMENTATION, SETUP_FAILED, INVALID_ARGUMENT = 9, 10, 11, 12
STRING = 3
MAX_TEXT = 2000


class SetupError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def text(code, message):
    """An answer of words."""
    return code, STRING, str(message)[:MAX_TEXT].encode("utf-8", "replace")


def describe(error):
    """The words of an exception, which is the model's own and may fail at that, too."""
    try:
        message = str(error)
        return message if message or isinstance(error, Exception) else type(error).__name__
    except Exception:
        return type(error).__name__
