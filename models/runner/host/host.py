"""Process of one participant's model. Standard library only, Python 3.10 or newer.

Frames on descriptor 3, both ways: u32 length of the rest, u8 kind, u32 batch id, then the body (little-endian).
A batch: u8 count of calls, u32 milliseconds until the runner gives it up, then the calls.
Started as `host.py <code folder> <package folder> <site folders as JSON> [<options as JSON>]`, options: main_file, has_gpu,
resource_directory. Nothing here trusts the model, and the runner on the other side trusts nothing that comes out of here.
"""
import gc
import json
import os
import struct
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
U32, HEAD, BATCH_HEAD, ANSWER_HEAD = struct.Struct("<I"), struct.Struct("<BI"), struct.Struct("<BI"), struct.Struct("<BIBI")
SLOW_NS = 1_000_000        # an answer that took longer is sent at once, so that a hang later in the batch cannot hide it
FLUSH_BYTES = 1 << 20
HOME = os.getpid()


def frames():
    """Bodies of frames out of one reused buffer; each is valid until the next is asked for. Ends the process with the pipe."""
    buffer = bytearray(65536)
    view, have = memoryview(buffer), 0
    while True:
        count = os.readv(CHANNEL, [view[have:]])
        if not count:
            os._exit(0)
        have += count
        start, need = 0, 4
        while have - start >= 4:
            need = U32.unpack_from(view, start)[0] + 4
            if have - start < need:
                break
            yield view[start + 4:start + need]
            start += need
            need = 4
        rest = bytes(view[start:have])
        have = len(rest)
        if need > len(buffer):
            buffer = bytearray(need)
            view = memoryview(buffer)
        view[:have] = rest


def send(kind, batch, body):
    data = memoryview(U32.pack(len(body) + HEAD.size) + HEAD.pack(kind, batch) + body)
    while data:
        data = data[os.write(CHANNEL, data):]


def read_call(body, at):
    """(name, arguments, keyword arguments, where the next call begins); a value is its type and its bytes."""
    end = at + 1 + body[at]
    name = str(body[at + 1:end], "utf-8")
    args, kwargs = [], []
    at = end + 1
    for _ in range(body[end]):
        end = at + 5 + U32.unpack_from(body, at + 1)[0]
        args.append((body[at], body[at + 5:end]))
        at = end
    count = body[at]
    at += 1
    for _ in range(count):
        end = at + 1 + body[at]
        keyword = str(body[at + 1:end], "utf-8")
        at = end
        end = at + 5 + U32.unpack_from(body, at + 1)[0]
        kwargs.append((keyword, (body[at], body[at + 5:end])))
        at = end
    return name, args, kwargs, at


def answer_batch(batch, body, perform, alarm):
    """Runs the calls in order; answers are u8 first index, u8 count, then code, run_us, type, length, bytes of each."""
    first, waiting, size = 0, [], 0

    def flush():
        nonlocal first, waiting, size
        if waiting:
            send(ANSWER, batch, bytes((first, len(waiting))) + b"".join(waiting))
            first, waiting, size = first + len(waiting), [], 0

    count, timeout_ms = BATCH_HEAD.unpack_from(body, HEAD.size)
    at = HEAD.size + BATCH_HEAD.size
    alarm.start(timeout_ms, flush)
    for _ in range(count):
        name, args, kwargs, at = read_call(body, at)
        start = perf_counter_ns()
        try:
            alarm.inside = True
            code, kind, value = perform(name, args, kwargs)
            alarm.inside = False
        except host_alarm.Interrupted:
            alarm.over = True
        took = perf_counter_ns() - start
        if os.getpid() != HOME:
            os._exit(0)  # forked by the model, and back out of its method
        if alarm.over:
            alarm.hold()
        if size + len(value) > FLUSH_BYTES:
            flush()
        waiting.append(ANSWER_HEAD.pack(code, min(took // 1000, 0xFFFFFFFF), kind, len(value)) + value)
        size += len(value)
        if took > SLOW_NS:
            flush()
    alarm.stop()
    flush()


def serve(model):
    alarm = host_alarm.Alarm()
    for body in frames():
        kind, batch = HEAD.unpack_from(body)
        if kind == BATCH:
            answer_batch(batch, body, model.call, alarm)
        elif kind == SETUP:
            answer_batch(batch, body, model.setup, alarm)
            gc.collect()
            gc.freeze()
        elif kind == REST:
            answer_batch(batch, body, model.rest, alarm)


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
