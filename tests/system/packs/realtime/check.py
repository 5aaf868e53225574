"""The participant's side of the test: stored answers scored again, and a backtest over the recorded prices. JSON in, JSON out."""
import json
import sys

from almanac_backtest import Record
from momentum import Momentum
from tracker.backtest import BacktestRunner
from tracker.scoring import score

given = json.load(sys.stdin)
runner = BacktestRunner(
    Momentum(),
    {given["subject"]: [Record(*record) for record in given["records"]]},
    granularity_seconds=0.2,
    window=given["window"],
    every_seconds=1,
    horizon_seconds=2,
    windows=given["windows"],
)
result = runner.run(given["from"], given["until"])
rescored = [score(answer, truth) for answer, truth in given["scored"]]
boards = [result.metrics_at(end) for end in given["ends"]]
print(json.dumps({"rows": result.rows, "rescored": rescored, "boards": boards, "summary": result.summary()}))
