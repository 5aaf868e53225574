"""Recorded prices as this competition takes them: {asset: [(final ms, price, segment), ...]}, ascending, prices above 0 only."""
from almanac_backtest import records as _records


def read_csv(path, asset, granularity_seconds=60):
    """Columns `ts` and `close` (a candle that begins at ts and is known a granularity later) or `ts` and `price` (a tick); ts in seconds
    or milliseconds."""
    return clean(_records.read_csv(path, asset, granularity_seconds))


class NodeRecords(_records.NodeRecords):
    def load(self, *args, **kwargs):
        return clean(super().load(*args, **kwargs))


def clean(loaded):
    return {asset: [tuple(r[:3]) for r in records if 0 < r[1] < float("inf")] for asset, records in loaded.items()}
