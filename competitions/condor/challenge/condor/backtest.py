"""Replays recorded prices through a model as the node would, and scores it with the node's score.

    from condor.backtest import BacktestRunner
    from condor.recorded import read_csv
    result = BacktestRunner(MyModel(), read_csv("btc-1m.csv", "BTC")).run("2026-11-01", "2026-11-08")
    print(result.summary())
"""
from almanac_backtest import Backtest, Runner

from .questions import SCALES, questions
from .recorded import NodeRecords
from .scoring import score
from .truth import resolve


class BacktestRunner(Runner):
    """`records`: {asset: [(final ms, price, segment), ...]}, as condor.recorded gives them; None: the day files of the node at
    COORDINATOR_URL, for which `source` and `subjects` ({asset: the node's name of it}) are needed."""

    def __init__(self, model, records=None, *, granularity_seconds=60, window=120, scales=SCALES, node=None, source="binance", subjects=None):
        super().__init__(
            model,
            records,
            granularity_seconds=granularity_seconds,
            window=window,
            subjects=subjects or {"BTC": "BTCUSDT"},
            node=node or NodeRecords(),
            source=source,
        )
        self.scales = scales

    def questions(self, subjects):
        return questions(subjects, self.scales)

    def shown(self, subject, instant_ms, records):
        return {subject: [(r[0] / 1000, r[1]) for r in records]}

    def asked(self, question):
        return self.model.predict(question.asset, question.horizon, question.step)

    def resolved(self, records, question, due_ms):
        return resolve(records, question, due_ms, self.granularity_ms)

    def scored(self, answer, truth):
        return score(answer, truth)

    def new_result(self, end_ms):
        return Backtest(end_ms, unit="CRPS in basis points: smaller is better", extra=("log_score",))
