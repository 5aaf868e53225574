"""What is asked when: the same question of every subject, on fixed instants of the clock, subjects taking turns."""
from collections import namedtuple

HORIZON_SECONDS = 20
EVERY_SECONDS = 5
_GRID_MS = 1000


class Question(namedtuple("Question", "subject horizon_seconds every_ms phase_ms")):
    __slots__ = ()

    @property
    def scope_key(self):
        return f"{self.subject}-{self.horizon_seconds:g}"

    @property
    def horizon_ms(self):
        return round(self.horizon_seconds * 1000)


def questions(subjects, horizon_seconds=HORIZON_SECONDS, every_seconds=EVERY_SECONDS):
    """Subjects in the order of the node's FEED_SUBJECTS: it decides whose turn is when."""
    every_ms = round(every_seconds * 1000)
    grid = _GRID_MS if every_ms >= _GRID_MS * len(subjects) else 1
    phases = [i * every_ms // len(subjects) // grid * grid for i in range(len(subjects))]
    return [Question(subject, horizon_seconds, every_ms, phase) for subject, phase in zip(subjects, phases)]
