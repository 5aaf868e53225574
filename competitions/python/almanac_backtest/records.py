"""Recorded prices: from a CSV file, or from a node's day files."""
import csv
import json
import os
import urllib.request
from collections import namedtuple
from datetime import datetime, timedelta, timezone
from math import isfinite

from .times import granularity_ms

"""Times in epoch ms: `final_ms`, from when on the record is known, and `begin_ms`. Records of different segments do not follow each
other in reality. `values`: the record's numbers by name, such as open, high, low, close and volume."""
Record = namedtuple("Record", "final_ms price segment begin_ms values", defaults=("", None, None))

MILLISECONDS_FROM = 10**11  # a time above is in ms, below in s
_TIME_AND_ID = ("ts", "id")


def read_csv(path, subject, granularity_seconds=60):
    """{subject: [Record, ...]}, ascending. Columns `ts` and `close` (a candle that begins at ts and is known a granularity later) or
    `ts` and `price` (a tick), ts in seconds or milliseconds; further columns that are numbers are kept."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    columns = rows[0].keys() if rows else ()
    column = "close" if "close" in columns else "price"
    if "ts" not in columns or column not in columns:
        raise ValueError(f"{path}: needs the columns ts and close (candles) or ts and price (ticks); has {', '.join(columns) or 'none'}")
    later = round(granularity_seconds * 1000) if column == "close" else 0
    records = []
    for line, row in enumerate(rows, 2):
        try:
            time, price = float(row["ts"]), float(row[column])
        except (TypeError, ValueError):
            raise ValueError(f"{path}, line {line}: ts and {column} must be numbers, are {row['ts']!r} and {row[column]!r}") from None
        ms = round(time if time > MILLISECONDS_FROM else time * 1000)
        values = {name: _number(text) for name, text in row.items() if name not in _TIME_AND_ID}
        records.append(Record(ms + later, price, "", ms, {name: v for name, v in values.items() if v is not None}))
    return {subject: ascending(records)}


def ascending(records):
    return sorted(records, key=lambda r: r[0])


class NodeRecords:
    """Day files of a node, kept in a folder: a day that is over is fetched once. Needs pyarrow."""

    def __init__(self, url=None, folder=None, key=None):
        self.url = (url or os.environ.get("COORDINATOR_URL") or "http://127.0.0.1:8000").rstrip("/")
        self.folder = folder or os.path.join(os.path.expanduser("~"), ".cache", "almanac-backtest")
        self.key = key or os.environ.get("COORDINATOR_API_KEY")

    def load(self, source, subjects, start, end, kind="candle", granularity="1m"):
        """{name: records}; `subjects` is {name: the node's name of it}, start and end are datetimes."""
        index = {entry["path"]: entry for entry in json.loads(self._get("/data/backfill/index"))}
        loaded = {}
        for name, subject in subjects.items():
            records = []
            day = start.astimezone(timezone.utc).date()
            while day <= end.astimezone(timezone.utc).date():
                path = f"{source}/{subject}/{kind}/{granularity}/{day.isoformat()}.parquet"
                if path in index:
                    records += self._day(path, index[path], granularity_ms(granularity) if kind == "candle" else 0)
                day += timedelta(days=1)
            if not records:
                raise ValueError(f"{self.url} has no day file of {source}/{subject}/{kind}/{granularity} from {start} to {end}: start a backfill there")
            loaded[name] = ascending(records)
        return loaded

    def _day(self, path, entry, later_ms):
        try:
            import pyarrow.parquet as parquet
        except ImportError:
            raise ImportError("day files are parquet: `pip install pyarrow`, or give CSV files to read_csv") from None
        local = os.path.join(self.folder, *path.split("/"))
        if not (os.path.exists(local) and os.path.getsize(local) == entry["size_bytes"]):
            os.makedirs(os.path.dirname(local), exist_ok=True)
            with open(local + ".part", "wb") as file:
                file.write(self._get(f"/data/backfill/{path}"))
            os.replace(local + ".part", local)
        return [_record(row, later_ms) for row in parquet.read_table(local).to_pylist()]

    def _get(self, path):
        request = urllib.request.Request(self.url + path, headers={"X-API-Key": self.key} if self.key else {})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


_CANDLE = ("open", "high", "low", "close", "volume")
_PRICES = ("close", "price", "mid_price", "mark_price")


def _record(row, later_ms):
    meta = json.loads(row["meta"] or "{}")
    numbers = {name: v for name, v in meta.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    values = {**numbers, **{name: row[name] for name in _CANDLE if row[name] is not None}}
    price = next((values[name] for name in _PRICES if name in values), 0.0)
    begin = (row["ts_event"] - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    return Record(begin + later_ms, price, meta.get("segment", ""), begin, values)


def _number(text):
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if isfinite(value) else None
