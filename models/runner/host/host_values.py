"""Values of the public wire in Python: VariantType numbers, strict both ways."""
import json
import math
import struct

from host_refusal import NotFinite, find_half_pair, find_unfit

NONE, DOUBLE, INT, STRING, PARQUET, ARROW, JSON = range(7)
F64, I64 = struct.Struct("<d"), struct.Struct("<q")
MAX_BYTES = (4 << 20) - 4096


class TooLarge(Exception):
    pass


def decode(kind, data):
    """A Python value of wire bytes; raises ValueError or struct.error for the model's author to read."""
    if kind == JSON:
        try:
            return json.loads(str(data, "utf-8"))
        except json.JSONDecodeError as error:
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
    """A data frame. Arrow files and streams are told apart by their first bytes."""
    import io
    try:
        if kind == PARQUET:
            import pandas
            return pandas.read_parquet(io.BytesIO(data))
        import pyarrow.ipc
    except ImportError as error:
        raise ValueError(f"Unsupported data type: {kind} ({error}; this model's environment has no table library)") from None
    opener = pyarrow.ipc.open_file if data[:6] == b"ARROW1" else pyarrow.ipc.open_stream
    return opener(data).read_all().to_pandas()


def encode(value):
    """(type, bytes) of what a method returned."""
    if value is None:  # what most ticks return
        return NONE, b""
    if isinstance(value, (dict, list)):
        return JSON, checked(encode_json(value))
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        value = plain(value)
        if isinstance(value, list):
            return JSON, checked(encode_json(value))
        if value is None:
            return NONE, b""
    if isinstance(value, int):
        return INT, int(value).to_bytes(8, "little", signed=True)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotFinite(f"the answer is {float(value)!r}; a number must be finite")
        return DOUBLE, F64.pack(value)
    if isinstance(value, str):
        return STRING, checked(str(value).encode())
    if hasattr(value, "to_parquet") and any(cls.__module__.startswith("pandas") for cls in type(value).__mro__):
        return PARQUET, checked(encode_frame(value))
    raise ValueError(f"Unsupported data type: {type(value)}")


def encode_frame(frame):
    try:
        return frame.to_parquet()
    except ImportError:
        raise ValueError("Unsupported data type: a data frame needs pyarrow in the model's environment") from None


def encode_json(value):
    try:
        text = "".join(WRITE(value, 0))
    except Exception:  # the slow one says what is wrong, and notices circles
        text = write_slowly(value)
    if "\\ud" in text:
        refusal = find_half_pair(value)
        if refusal is not None:
            raise refusal
    return text.encode()


def write_slowly(value):
    try:
        return ENCODER.encode(value)
    except RecursionError:
        raise ValueError("the answer is nested too deep to be written as JSON") from None
    except (ValueError, TypeError) as error:
        refusal = find_unfit(value, plain)
        if refusal is None:
            raise
        raise refusal from error


def plain(value):
    """Plain Python of a number or an array of numpy; what else JSON does not know is refused by its type."""
    dtype = getattr(value, "dtype", None)
    if type(value).__module__ == "numpy" and dtype is not None:
        if dtype.kind == "f":
            return value.astype("f8").tolist()
        if dtype.kind in "biuUO":
            return value.tolist()
        raise TypeError(f"Unsupported data type: numpy {dtype.name}")
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def checked(data):
    if len(data) > MAX_BYTES:
        raise TooLarge(f"the answer has {len(data)} bytes, at most {MAX_BYTES} are taken")
    return data


ENCODER = json.JSONEncoder(allow_nan=False, default=plain)


def fast_writer():
    """What JSONEncoder.encode makes anew for every value, made once; the same, slower, where this Python has it otherwise."""
    def slow(value, _depth):
        return (ENCODER.encode(value),)
    try:
        write = json.encoder.c_make_encoder(
            None, plain, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, False)
        sample = {"a": [1, 2.5, None, True, "\n"], 3: {}}
        return write if "".join(write(sample, 0)) == ENCODER.encode(sample) else slow
    except Exception:
        return slow


WRITE = fast_writer()
