"""Instants and lengths of time, in whole milliseconds."""
from datetime import datetime, timezone

HOUR_MS = 3_600_000
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": HOUR_MS, "d": 24 * HOUR_MS}


def epoch_ms(time):
    """A datetime, an ISO text (both UTC unless they say otherwise) or epoch ms -> epoch ms."""
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return round((time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp() * 1000)
    return int(time)


def iso(ms):
    """As the node writes instants: 2026-11-01T00:00:00.000Z."""
    return datetime.fromtimestamp(ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def granularity_ms(text):
    """"1m" -> 60000."""
    for unit, ms in _UNITS_MS.items():
        head = text.removesuffix(unit)
        if head != text and head.isdigit() and int(head) > 0:
            return int(head) * ms
    raise ValueError(f"granularity {text!r}: write a number and ms, s, m, h or d, such as 15s")


def granularity_text(ms):
    """60000 -> "1m": in the largest unit that divides it."""
    unit, size = [(unit, size) for unit, size in _UNITS_MS.items() if ms % size == 0][-1]
    return f"{ms // size}{unit}"


def due_times(question, from_ms, until_ms):
    """Instants in [from, until) at which a question with `every_ms` and `phase_ms` is asked, epoch ms."""
    every, phase = question.every_ms, question.phase_ms
    first = -((phase - from_ms) // every) * every + phase
    return range(first, until_ms, every)
