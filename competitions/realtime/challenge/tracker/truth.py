"""What happened: the return from the last close known when a question was asked to the last close known at its horizon's end."""
from bisect import bisect_right

STALENESS_FRACTION = 0.2


def resolve(records, question, due_ms, granularity_ms):
    """({"entry_price", "resolved_price", "profit"}, None) or (None, why not). Records: (final ms, price, segment, ...), ascending."""
    end_ms = due_ms + question.horizon_ms
    if not records or records[-1][0] < end_ms:
        return None, "the closing record never came"
    entry, closing = _last_known(records, due_ms), _last_known(records, end_ms)
    if entry is None or closing is None:
        return None, f"no {'closing' if entry else 'opening'} price was ever recorded"
    tolerance = max(STALENESS_FRACTION * (end_ms - due_ms), granularity_ms)
    for what, record, instant in (("opening", entry, due_ms), ("closing", closing, end_ms)):
        if instant - record[0] > tolerance:
            return None, f"the {what} price was {instant - record[0]} ms old, more than {tolerance:.15g} ms"
    for what, record in (("opening", entry), ("closing", closing)):
        if not 0 < record[1] < float("inf"):
            return None, f"the {what} price is {record[1]:.15g}: prices must be positive"
    if entry[2] != closing[2]:
        return None, "the series broke in between (the replay began anew)"
    profit = (closing[1] - entry[1]) / entry[1]
    return {"entry_price": entry[1], "resolved_price": closing[1], "profit": profit}, None


def _last_known(records, instant_ms):
    at = bisect_right(records, instant_ms, key=lambda r: r[0])
    return records[at - 1] if at else None
