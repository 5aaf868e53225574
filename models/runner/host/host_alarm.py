"""The deadline of a batch, seen from inside: says where a model hangs, then interrupts it. The runner ends it in any case."""
import faulthandler
import os
import signal
import sys
import time
import traceback
from signal import ITIMER_REAL, setitimer

LEAD_SECONDS = 0.1    # the first ring comes this long before the deadline: what it says reaches the log before the kill
LEAD_SHARE = 0.1
GRACE_SECONDS = 10     # the runner's kill comes at the deadline; should it not, the process ends itself


class Interrupted(BaseException):
    """Raised inside the model's code at the deadline. A model that catches it gains nothing: no answer is sent any more."""


def print_error():
    """The traceback into the model's log. What the model did to its own streams or exceptions must not stop the host."""
    try:
        traceback.print_exc()
        sys.stderr.flush()
    except BaseException:  # noqa: B036
        pass


def note(message):
    try:
        print(message, file=sys.stderr, flush=True)
    except BaseException:  # noqa: B036
        pass


class Alarm:
    """
    Two rings of one timer. The first, shortly before the deadline: the stack of every thread goes into the log, from C, so
    that a hang in native code shows too, and answers that wait are sent. The second, at the deadline: Interrupted.
    """

    def __init__(self, before):
        """`before` is called at the first ring if the model is at work then."""
        self.inside = self.over = self.shows = False
        self.rings, self.before = 0, before
        self.timeout_ms, self.first, self.lead = 0, 0.0, 0.0
        signal.signal(signal.SIGALRM, self.ring)
        self.show_stacks()

    def show_stacks(self):
        faulthandler.register(signal.SIGALRM, file=2, all_threads=True, chain=True)
        self.shows = True

    def start(self, timeout_ms):
        if timeout_ms != self.timeout_ms:
            seconds = max(timeout_ms, 1) / 1000
            self.lead = min(LEAD_SECONDS, seconds * LEAD_SHARE)
            self.timeout_ms, self.first = timeout_ms, seconds - self.lead
        self.rings = 0
        if not self.shows:
            self.show_stacks()
        setitimer(ITIMER_REAL, self.first, self.lead)

    def stop(self):
        setitimer(ITIMER_REAL, 0)

    def ring(self, _signal, _frame):
        self.rings += 1
        if not self.inside:
            return
        if self.rings == 1:
            faulthandler.unregister(signal.SIGALRM)  # once is enough
            self.shows = False
            note("The call is still at work shortly before its deadline; above is where.")
            self.before()
            return
        self.stop()
        self.over = True
        raise Interrupted("interrupted at the deadline of the call")

    def hold(self):
        """After an interruption: no answer, whatever the model made of it. Waits to be ended."""
        self.stop()
        end = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < end:
            time.sleep(1)
        os._exit(1)
