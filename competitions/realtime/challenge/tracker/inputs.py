"""What `tick` is given, as the node makes it of its records."""
from almanac_backtest.times import granularity_text

_PRICES = ("close", "price", "mid_price", "mark_price")


def market_input(symbol, asof_ms, records):
    """{"symbol", "asof_ts", "candles_<length>" or "ticks"} of almanac_backtest.Records, ascending."""
    head = {"symbol": symbol, "asof_ts": asof_ms}
    if any("close" not in r.values for r in records):
        return {**head, "ticks": [tick for r in records for tick in _tick(r)]}
    length_ms = max(1, records[-1].final_ms - records[-1].begin_ms)
    return {**head, f"candles_{granularity_text(length_ms)}": [_candle(r) for r in records]}


def _tick(record):
    price = next((record.values[name] for name in _PRICES if name in record.values), None)
    return [] if price is None else [{"ts": _plain(record.begin_ms / 1000), "price": _plain(price)}]


def _candle(record):
    values = record.values
    prices = {name: _plain(values.get(name, values["close"])) for name in ("open", "high", "low", "close")}
    return {"ts": _plain(record.begin_ms / 1000), **prices, "volume": _plain(values.get("volume", 0))}


def _plain(number):
    """Whole numbers arrive from the node as int."""
    return int(number) if float(number).is_integer() and abs(number) < 2**53 else number
