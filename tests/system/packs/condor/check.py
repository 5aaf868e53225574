"""The participant's side of the test: stored answers scored again, and a backtest over the recorded prices. JSON in, JSON out."""
import json
import sys

from condor.backtest import BacktestRunner
from condor.questions import Scale
from condor.scoring import score
from windowed import Windowed

given = json.load(sys.stdin)
runner = BacktestRunner(
    Windowed(),
    {"SP500": [tuple(record) for record in given["records"]]},
    granularity_seconds=0.2,
    window=given["window"],
    scales=[Scale(3, 1, 2, 0.2), Scale(2, 2, 2, 0.3)],
)
result = runner.run(given["from"], given["until"])
rescored = [score(answer, truth) for answer, truth in given["scored"]]
print(json.dumps({"rows": result.rows, "rescored": rescored, "metrics": result.metrics, "summary": result.summary()}))
