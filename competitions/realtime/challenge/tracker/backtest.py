"""Replays recorded prices through a model as the node would, and scores it with the node's score.

    from almanac_backtest import read_csv
    from tracker.backtest import BacktestRunner
    result = BacktestRunner(MyModel(), read_csv("btc-1s.csv", "BTC", 1)).run("2026-11-01", "2026-11-02")
    print(result.summary())
"""
from almanac_backtest import Backtest, Runner

from .inputs import market_input
from .questions import EVERY_SECONDS, HORIZON_SECONDS, questions
from .scoring import score
from .truth import resolve


class BacktestRunner(Runner):
    """`records`: {subject: [Record, ...]}, as almanac_backtest.read_csv gives them; None: the day files of the node at COORDINATOR_URL,
    for which `source` and `subjects` ({subject: the node's name of it}) are needed."""

    def __init__(
        self, model, records=None, *, granularity_seconds=1, window=120, horizon_seconds=HORIZON_SECONDS, every_seconds=EVERY_SECONDS,
        node=None, source="pyth", subjects=None, kind="candle", windows=None,
    ):
        super().__init__(
            model,
            records,
            granularity_seconds=granularity_seconds,
            window=window,
            subjects=subjects or {"BTC": "BTC"},
            node=node,
            source=source,
            kind=kind,
        )
        self.horizon_seconds = horizon_seconds
        self.every_seconds = every_seconds
        self.windows = windows

    def questions(self, subjects):
        return questions(subjects, self.horizon_seconds, self.every_seconds)

    def shown(self, subject, instant_ms, records):
        return market_input(subject, instant_ms, records)

    def asked(self, question):
        return self.model.predict(question.subject, question.horizon_seconds, self.every_seconds)

    def resolved(self, records, question, due_ms):
        return resolve(records, question, due_ms, self.granularity_ms)

    def scored(self, answer, truth):
        return score(answer, truth)

    def new_result(self, end_ms):
        windows = {"windows": self.windows} if self.windows else {}
        return Backtest(end_ms, unit="basis points of return per unit of prediction: larger is better", **windows)
