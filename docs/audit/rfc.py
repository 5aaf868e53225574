"""Canonical JSON (RFC 8785) and the Merkle tree of RFC 9162, each as its text has it."""
import hashlib, json, math


def sha(data):
    return hashlib.sha256(data).digest()


def number(value):
    """A double as ECMAScript writes it: the shortest digits that read back, which Python's repr finds, too."""
    value = float(value)
    if not math.isfinite(value):
        raise ValueError("a number that JSON does not know")
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits, point = (whole + fraction).lstrip("0"), len(whole) + int(exponent or 0)
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    sign, k = "-" if value < 0 else "", len(digits)
    if k == 0:
        return "0"
    if k <= point <= 21:
        return sign + digits + "0" * (point - k)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' + digits[1:] if k > 1 else ''}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def canonical(value):
    """RFC 8785."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else number(value)


def value_hash(value):
    return sha(canonical(value).encode()).hex()


def leaf(record):
    return sha(b"\0" + canonical(record).encode())


def node(left, right):
    return sha(b"\1" + left + right)


def root(leaves):
    """RFC 9162 section 2.1.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:split]), root(leaves[split:]))


def root_of_path(hash, index, size, path):
    """RFC 9162 section 2.1.3.2; None where the path has another length."""
    last = size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            hash = node(sibling, hash)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hash = node(hash, sibling)
        index, last = index >> 1, last >> 1
    return hash if last == 0 else None


def roots_of_growth(first, size, path, first_root):
    """RFC 9162 section 2.1.4.2: the roots that a consistency path leads to."""
    path = [first_root] + path if first & (first - 1) == 0 else path
    index, last = first - 1, size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    if not path:
        raise ValueError("an empty consistency path")
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None, None
        if index & 1 or index == last:
            before, after = node(sibling, before), node(sibling, after)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            after = node(after, sibling)
        index, last = index >> 1, last >> 1
    return (before, after) if last == 0 else (None, None)
