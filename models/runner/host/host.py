"""Process of one participant's model. Standard library only, Python 3.10 or newer.

Frames on descriptor 3, both ways: u32 length of the rest, u8 kind, u32 batch id, then the body (little-endian).
A batch: u32 milliseconds until the runner gives it up, then in marshal a tuple of calls, each (name, arguments, keyword arguments,
whether any of them is opaque): values are Python's already, an opaque one is (type, bytes). marshal is only ever read from the runner.
Started as `host.py <code folder> <package folder> <site folders as JSON> [<options as JSON>]`, options: main_file, has_gpu,
resource_directory. Nothing here trusts the model, and the runner on the other side trusts nothing that comes out of here.
"""
import gc
import json
import marshal
import os
import struct
import select
import sys
from time import perf_counter_ns

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import host_alarm  # noqa: E402
import host_model  # noqa: E402
import host_values  # noqa: E402
sys.path.remove(HERE)

CHANNEL = 3
BATCH, ANSWER, HELLO, SETUP, REST = 1, 2, 3, 4, 7
U32, HEAD, BATCH_HEAD = struct.Struct("<I"), struct.Struct("<BI"), struct.Struct("<BII")
FRAME_HEAD, ANSWER_HEAD = struct.Struct("<IBI"), struct.Struct("<BIBI")
SLOW_NS = 1_000_000        # an answer that took longer is sent at once, so that a hang later in the batch cannot hide it
LARGE_BYTES = 16 << 10    # goes alone; 255 smaller ones fit in a frame
HOME = os.getpid()


def frames():
    """Bodies of frames out of one reused buffer; each is valid until the next is asked for. Ends the process with the pipe."""
    buffer = bytearray(65536)
    view, have = memoryview(buffer), 0
    poller = select.poll()  # waits for frames only: a plain read would also wake up when the runner takes our answer
    poller.register(CHANNEL, select.POLLIN)
    while True:
        poller.poll()
        count = os.readv(CHANNEL, [view[have:] if have else view])
        if not count:
            os._exit(0)
        have += count
        start, need = 0, 4
        while have - start >= 4:
            need = U32.unpack_from(buffer, start)[0] + 4
            if have - start < need:
                break
            yield view[start + 4:start + need]
            start += need
            need = 4
        if start == have:  # nearly always
            have = 0
            continue
        rest = bytes(view[start:have])
        have = len(rest)
        if need > len(buffer):
            buffer = bytearray(need)
            view = memoryview(buffer)
        view[:have] = rest


def send(kind, batch, body):
    data = FRAME_HEAD.pack(len(body) + HEAD.size, kind, batch) + body
    done = os.write(CHANNEL, data)
    while done < len(data):
        done += os.write(CHANNEL, memoryview(data)[done:])


class Answers:
    """Those of one batch that wait to be sent: u8 first index, u8 count, then code, run_us, type, length, bytes of each."""

    def __init__(self):
        self.batch, self.first, self.waiting = 0, 0, []

    def flush(self):
        waiting = self.waiting
        if not waiting:
            return
        if os.getpid() != HOME:
            os._exit(0)  # forked by the model, and back out of its method
        send(ANSWER, self.batch, bytes((self.first, len(waiting))) + b"".join(waiting))
        self.first += len(waiting)
        waiting.clear()


def answer_calls(calls, perform, answers, alarm):
    """Runs them in order. What takes long here is code that is in no cache of the processor: hundreds of hosts share them."""
    waiting = answers.waiting
    for name, args, kwargs, opaque in calls:
        start = perf_counter_ns()
        try:
            alarm.inside = True
            code, kind, value = perform(name, args, kwargs, opaque)
            alarm.inside = False
        except host_alarm.Interrupted:
            alarm.over = True
        took = perf_counter_ns() - start
        if alarm.over:
            alarm.hold()
        length = len(value)
        if length > LARGE_BYTES:
            answers.flush()
        waiting.append(ANSWER_HEAD.pack(code, min(took // 1000, 0xFFFFFFFF), kind, length) + value)
        if took > SLOW_NS or length > LARGE_BYTES:
            answers.flush()


def serve(model):
    answers = Answers()
    alarm = host_alarm.Alarm(answers.flush)
    for body in frames():
        kind, batch, timeout_ms = BATCH_HEAD.unpack_from(body)
        if kind == BATCH:
            perform = model.call
        elif kind == SETUP:
            perform = model.setup
        elif kind == REST:
            perform = model.rest
        else:
            continue
        answers.batch, answers.first = batch, 0
        alarm.start(timeout_ms)
        answer_calls(marshal.loads(body[BATCH_HEAD.size:]), perform, answers, alarm)
        alarm.stop()
        answers.flush()
        if kind == SETUP:
            gc.collect()
            gc.freeze()


def leave_channel():
    """A process that the model forked must never answer in its place."""
    try:
        os.close(CHANNEL)
    except OSError:
        pass


def main():
    os.set_inheritable(CHANNEL, False)
    os.register_at_fork(after_in_child=leave_channel)
    try:
        os.nice(10)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # woken by a batch, it waits until the runner has given the others theirs
    except (AttributeError, OSError):
        pass
    code, packages, site = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    options = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
    sys.path[:0] = [packages, code]  # the competition's own packages win over copies in a submission
    sys.path += [folder for folder in site if folder not in sys.path]
    sys.argv[:] = [""]
    sys.stdout.reconfigure(line_buffering=True)  # what a model prints is in its log before it hangs
    hello = {"host": 1, "marshal": True, "python": ".".join(map(str, sys.version_info[:3]))}
    send(HELLO, 0, json.dumps(hello).encode())
    serve(host_model.Model(host_model.Submission(code, options), host_values))


if __name__ == "__main__":
    main()
