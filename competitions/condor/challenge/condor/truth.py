"""What happened: the log return of every step, from the nearest prices, as the node resolves it."""
from bisect import bisect_left

from .elementary import log

STALENESS_FRACTION = 0.2


def nearest_price(prices, instant):
    """The (time, price, ...) nearest to the instant; of two as near, the earlier. Prices ascend in time."""
    after = bisect_left(prices, instant, key=lambda p: p[0])
    if after == 0:
        return prices[0] if prices else None
    if after == len(prices):
        return prices[-1]
    before = prices[after - 1]
    return before if instant - before[0] <= prices[after][0] - instant else prices[after]


def step_returns(prices, horizon, step, end):
    """ln p(t) - ln p(t - step) of every step up to `end`, the first step first; None where both prices are the same tick.
    Times, horizon and step in one unit; whole milliseconds are exact."""
    count = int(horizon // step)
    returns = []
    for k in range(count):
        instant = end - step * (count - 1 - k)
        to = nearest_price(prices, instant)
        start = nearest_price(prices, instant - step)
        returns.append(None if to is None or start[0] == to[0] else log(to[1]) - log(start[1]))
    return returns


def resolve(records, question, due_ms, granularity_ms):
    """({"asset", "horizon", "step", "bound", "returns"}, None) or (None, why not). Records: (final ms, price, segment), ascending."""
    end_ms = due_ms + question.horizon * 1000
    usable = records[: bisect_left(records, end_ms + 1, key=lambda r: r[0])]
    tolerance = max(STALENESS_FRACTION * (end_ms - due_ms), granularity_ms)
    for what, instant in (("opening", due_ms), ("closing", end_ms)):
        nearest = nearest_price(usable, instant)
        if nearest is None:
            return None, f"no {what} price was ever recorded"
        away = abs(nearest[0] - instant)
        if away > tolerance:
            return None, f"the {what} price was {away} ms away, more than {tolerance:g} ms"
    opening = bisect_left(usable, nearest_price(usable, due_ms)[0], key=lambda r: r[0])
    if any(record[2] != usable[-1][2] for record in usable[opening:]):
        return None, "the series broke in between (the replay began anew)"
    returns = step_returns(usable[opening:], question.horizon * 1000, question.step * 1000, end_ms)
    if all(value is None for value in returns):
        return None, "every step begins and ends on the same tick"
    asset, horizon, step, bound = question.asset, question.horizon, question.step, question.bound
    return {"asset": asset, "horizon": horizon, "step": step, "bound": bound, "returns": returns}, None
