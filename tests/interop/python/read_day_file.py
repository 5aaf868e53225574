"""What a participant's notebook sees of a day file: read with pyarrow and with pandas, told as JSON."""
import json
import sys

import pandas as pd
import pyarrow.parquet as pq

table = pq.read_table(sys.argv[1])
frame = pd.read_parquet(sys.argv[1])
first = frame.iloc[0]
print(
    json.dumps(
        {
            "schema": {field.name: str(field.type) for field in table.schema},
            "rows": table.num_rows,
            "dtype": str(frame["ts_event"].dtype),
            "first": [first["ts_event"].isoformat(), first["close"], json.loads(first["meta"])],
            "sum": float(frame["close"].sum()),
            "missing": int(frame["volume"].isna().sum()),
            "day": frame.set_index("ts_event").resample("1D").size().to_dict().__repr__(),
        }
    )
)
