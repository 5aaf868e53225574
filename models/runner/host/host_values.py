"""Values of the public wire in Python: VariantType numbers, strict both ways."""
import json
import math
import struct

NONE, DOUBLE, INT, STRING, PARQUET, ARROW, JSON = range(7)
F64, I64 = struct.Struct("<d"), struct.Struct("<q")
MAX_BYTES = (4 << 20) - 4096


class NotFinite(Exception):
    pass


class TooLarge(Exception):
    pass


def decode(kind, data):
    """A Python value of wire bytes; raises ValueError or struct.error for the model's author to read."""
    if kind == JSON:
        try:
            return json.loads(bytes(data))
        except ValueError as error:
            raise ValueError(f"Failed to decode JSON data: {error}") from None
    if kind == DOUBLE:
        return F64.unpack(data)[0]
    if kind == INT:
        return I64.unpack(data)[0]
    if kind == STRING:
        return str(data, "utf-8")
    if kind == NONE:
        return None
    if kind in (PARQUET, ARROW):
        return decode_table(kind, bytes(data))
    raise ValueError(f"Unsupported data type: {kind}")


def decode_table(kind, data):
    import io
    try:
        if kind == PARQUET:
            import pandas
            return pandas.read_parquet(io.BytesIO(data))
        import pyarrow
        opener = pyarrow.ipc.open_file if data[:6] == b"ARROW1" else pyarrow.ipc.open_stream
        return opener(data).read_all().to_pandas()
    except ImportError as error:
        raise ValueError(f"Unsupported data type: {kind} ({error}; this model's environment has no table library)") from None


def encode(value):
    """(type, bytes) of what a method returned."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if value is None:
        return NONE, b""
    if isinstance(value, int):
        return INT, int(value).to_bytes(8, "little", signed=True)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotFinite(f"the answer is {float(value)!r}; a number must be finite")
        return DOUBLE, F64.pack(value)
    if isinstance(value, str):
        return STRING, checked(value.encode())
    if isinstance(value, (dict, list)):
        return JSON, checked(encode_json(value))
    if type(value).__module__.startswith("pandas") and hasattr(value, "to_parquet"):
        return PARQUET, checked(value.to_parquet())
    raise ValueError(f"Unsupported data type: {type(value)}")


def encode_json(value):
    try:
        return json.dumps(value, allow_nan=False, default=plain).encode()
    except ValueError as error:
        where = find_not_finite(value, "", 0)
        if where is None:
            raise
        raise NotFinite(f"{where}; a number must be finite") from error


def plain(value):
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def find_not_finite(value, where, depth):
    """Which key holds NaN or an infinity, for the author of the model."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where or 'the answer'} is {float(value)!r}"
    if depth > 32:
        return None
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, item in items:
        found = find_not_finite(item, f"{where}[{key}]" if isinstance(key, int) else f"{where}.{key}".lstrip("."), depth + 1)
        if found:
            return found
    return None


def checked(data):
    if len(data) > MAX_BYTES:
        raise TooLarge(f"the answer has {len(data)} bytes, at most {MAX_BYTES} are taken")
    return data
