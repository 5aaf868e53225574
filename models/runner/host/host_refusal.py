"""Why an answer cannot be written as JSON, with the place in it: for the author of the model. Runs after a refusal only."""
import math

MAX_DEPTH = 200


class NotFinite(Exception):
    pass


def parts(value):
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, (list, tuple)) else ()


def place(where, key):
    step = f"[{key}]" if isinstance(key, int) else f".{key}"
    return (where + step).lstrip(".")


def walk(value, where="", inside=()):
    """(place, value) of everything in an answer; a circle is entered once."""
    yield where, value
    if len(inside) > MAX_DEPTH or any(value is outer for outer in inside):
        return
    for key, item in parts(value):
        yield from walk(item, place(where, key), (*inside, value))


def find_unfit(answer, plain):
    """The first thing in it that JSON does not take, as the exception to raise; or None."""
    for where, value in walk(answer):
        name = where or "the answer"
        if isinstance(value, dict):
            key = next((key for key in value if isinstance(key, float) and not math.isfinite(key)), None)
            if key is not None:
                return NotFinite(f"{name} has the key {float(key)!r}; a number must be finite")
        if isinstance(value, float) and not math.isfinite(value):
            return NotFinite(f"{name} is {float(value)!r}; a number must be finite")
        if value is None or isinstance(value, (str, int, float, dict, list, tuple)):
            continue
        try:
            inner = find_unfit(plain(value), plain)
        except TypeError as error:
            return ValueError(f"{name}: {error}")
        if inner is not None:
            return type(inner)(f"in the array {name}, {inner}")
    return None


def find_half_pair(answer):
    for where, value in walk(answer):
        texts = [value] if isinstance(value, str) else [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []
        if any("\ud800" <= char <= "\udfff" for text in texts for char in text):
            return ValueError(f"{where or 'the answer'} holds half a surrogate pair, which is no text")
    return None
