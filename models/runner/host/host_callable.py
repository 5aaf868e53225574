"""Process of one Python callable of a competition, such as its scorer. Standard library only, Python 3.10 or newer.

Frames on descriptor 3, both ways, as in host.py. A CALL holds a JSON list of argument lists; each of them is answered at once by
an ANSWER of its own, JSON [index, true, value] or [index, false, message], so that the first without an answer is the one that
hangs. Started as `host_callable.py <code folder> <package folder> <site folders as JSON> <module> <name> <time limit in ms>`.
"""
import faulthandler
import importlib
import inspect
import json
import os
import signal
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import host  # noqa: E402
import host_errors  # noqa: E402
import host_values  # noqa: E402
sys.path.remove(HERE)

CALL, ANSWER, HELLO = 1, 2, 3
STACKS_AT = 0.9            # of the limit: where it hangs is in the log before the process is ended
MAX_ANSWER_BYTES = 1 << 20


def words(error):
    """The exception and the innermost line of the callable's own files."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if os.path.dirname(frame.filename) != HERE]
    frames = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    place = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {host_errors.describe(error)[:host_errors.MAX_TEXT]}{place}"


def find(module, name):
    """The callable, and how many arguments it takes by position."""
    value = importlib.import_module(module)
    for part in name.split("."):
        if not hasattr(value, part):
            known = [each for each in vars(value) if callable(getattr(value, each, None)) and not each.startswith("_")]
            raise LookupError(f"{module} has no {name}; it has {', '.join(known[:20]) or 'no callable'}")
        value = getattr(value, part)
    if not callable(value):
        raise LookupError(f"{module}:{name} is {type(value).__name__}, not something that can be called")
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # written in C
        return value, None
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return value, None
    return value, sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)


def answer(call, args):
    try:
        value = call(*args)
        if hasattr(value, "model_dump"):
            value = value.model_dump()
        data = host_values.encode_json(value)
        if len(data) > MAX_ANSWER_BYTES:
            return False, json.dumps(f"answered {len(data)} bytes, at most {MAX_ANSWER_BYTES} are taken").encode()
        return True, data
    except BaseException as error:  # noqa: B036  sys.exit() ends this call, not the process
        return False, json.dumps(words(error)).encode()


def serve(call, limit_seconds):
    faulthandler.register(signal.SIGALRM, file=2, all_threads=True)
    for body in host.frames():
        kind, batch = host.HEAD.unpack_from(body)
        if kind != CALL:
            continue
        for index, args in enumerate(json.loads(str(body[host.HEAD.size:], "utf-8"))):
            signal.setitimer(signal.ITIMER_REAL, limit_seconds * STACKS_AT)
            good, data = answer(call, args)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if os.getpid() != host.HOME:
                os._exit(0)
            host.send(ANSWER, batch, b"[%d, %s, %s]" % (index, b"true" if good else b"false", data))


def main():
    os.set_inheritable(host.CHANNEL, False)
    os.register_at_fork(after_in_child=host.leave_channel)
    code, packages, site, module, name, limit_ms = sys.argv[1:7]
    sys.path[:0] = [code, packages]
    sys.path += [folder for folder in json.loads(site) if folder not in sys.path]
    sys.argv[:] = [""]
    sys.stdout.reconfigure(line_buffering=True)
    try:
        call, takes = find(module, name)
    except BaseException as error:  # noqa: B036
        host.send(HELLO, 0, json.dumps({"problem": words(error)}).encode())
        raise
    host.send(HELLO, 0, json.dumps({"takes": takes}).encode())
    serve(call, int(limit_ms) / 1000)


if __name__ == "__main__":
    main()
