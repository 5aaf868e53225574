"""The clock of a backtest: which tick and which question come when, as the node has it."""
from bisect import bisect_right
from datetime import datetime, timezone
from heapq import merge

from .records import NodeRecords
from .result import Backtest
from .times import due_times, epoch_ms, granularity_text


class Runner:
    """A competition's BacktestRunner derives from it and says what is asked (`questions`, each with subject, scope_key, every_ms,
    phase_ms and horizon_ms), what models are shown (`shown`), and how one answer is asked for (`asked`), resolved and scored."""

    def __init__(self, model, records=None, *, granularity_seconds, window, subjects, node=None, source="binance", kind="candle"):
        self.model = model
        self.records = records
        self.granularity_ms = round(granularity_seconds * 1000)
        self.window = window
        self.node = node
        self.source = source
        self.kind = kind
        self.subjects = subjects

    def questions(self, subjects):
        """In the order of the node's FEED_SUBJECTS."""
        raise NotImplementedError

    def shown(self, subject, instant_ms, records):
        """What `tick` is given: the records of a subject that were known at the instant."""
        raise NotImplementedError

    def asked(self, question):
        """The model's answer."""
        raise NotImplementedError

    def resolved(self, records, question, due_ms):
        """(truth, None), or (None, why there is none)."""
        raise NotImplementedError

    def scored(self, answer, truth):
        """{"value", ...}; raises ValueError for an answer that the node would refuse."""
        raise NotImplementedError

    def new_result(self, end_ms):
        return Backtest(end_ms)

    def run(self, start, end):
        """Asks every question that is due in [start, end); times are datetimes, ISO texts (UTC unless they say otherwise) or epoch ms."""
        start_ms, end_ms = epoch_ms(start), epoch_ms(end)
        records = self.records if self.records is not None else self._fetched(start_ms, end_ms)
        result = self.new_result(end_ms)
        asked = self.questions(list(records))
        dues = merge(*([(due, i) for due in due_times(q, start_ms, end_ms)] for i, q in enumerate(asked)))
        ticks = merge(*([(r[0], subject) for r in own if start_ms <= r[0] < end_ms] for subject, own in records.items()))
        pending = next(ticks, None)
        for due, i in dues:
            while pending and pending[0] <= due:
                self._tick(records, *reversed(pending))
                pending = next(ticks, None)
            result.rows.append(self._ask(records, asked[i], due))
        return result

    def _fetched(self, start_ms, end_ms):
        # the window before the first question, and the horizon after the last
        before = start_ms - self.window * self.granularity_ms
        after = end_ms + max(q.horizon_ms for q in self.questions(list(self.subjects)))
        start, end = (datetime.fromtimestamp(ms / 1000, timezone.utc) for ms in (before, after))
        node = self.node or NodeRecords()
        return node.load(self.source, self.subjects, start, end, self.kind, granularity_text(self.granularity_ms))

    def _known(self, records, instant_ms):
        """The newest records that were final at the instant, of one segment."""
        end = bisect_right(records, instant_ms, key=lambda r: r[0])
        known = records[max(0, end - self.window) : end]
        return [r for r in known if r[2] == known[-1][2]]

    def _tick(self, records, subject, instant_ms):
        self.model.tick(self.shown(subject, instant_ms, self._known(records[subject], instant_ms)))

    def _ask(self, records, question, due):
        row = {"scope_key": question.scope_key, "due_ms": due, "resolved_ms": due + question.horizon_ms}
        known = self._known(records[question.subject], due)
        if not known:
            return {**row, "status": "MISSED", "reason": "the feed had no data at the due time"}
        try:
            self.model.tick(self.shown(question.subject, due, known))
            answer = self.asked(question)
        except Exception as error:  # a model may raise anything: it costs this answer only
            return {**row, "status": "FAILED", "reason": f"{type(error).__name__}: {error}"}
        truth, reason = self.resolved(records[question.subject], question, due)
        if truth is None:
            return {**row, "status": "UNRESOLVABLE", "reason": reason}
        try:
            return {**row, "status": "SCORED", "result": self.scored(answer, truth)}
        except ValueError as refusal:
            return {**row, "status": "FAILED", "reason": f"output refused: {refusal}"}
