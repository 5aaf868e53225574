"""First process of a model's container. Standard library only, Python 3.10 or newer.

Started as `container.py <socket> <limits> <program of the host> <its arguments…>`. Connects twice to the runner's socket: a
leash, on which nothing is ever said, and the host's channel. Then it starts the host and waits: the container ends with the host,
and it ends with the leash, however busy the model is, so that a killed runner leaves nothing running.
"""
import _socket  # without its Python half: this process stays as long as the model, and is to be small
import _thread
import os
import resource
import sys

CHANNEL = 3


def connect(path):
    connection = _socket.socket(_socket.AF_UNIX)
    connection.connect(path)
    return connection


def limit(limits):
    """`NAME=value,…` by the names of RLIMIT_…, for this process and all after it; none can be raised again."""
    for each in limits.split(","):
        name, _, wanted = each.partition("=")
        kind = getattr(resource, f"RLIMIT_{name}")
        _soft, hard = resource.getrlimit(kind)
        value = int(wanted) if hard == resource.RLIM_INFINITY else min(int(wanted), hard)
        resource.setrlimit(kind, (value, value))


def end_with(leash):
    leash.recv(1)
    os._exit(0)  # as process 1 it takes all others of the container with it


def main():
    path, limits, *program = sys.argv[1:]
    limit(limits)
    leash, channel = connect(path), connect(path)
    moves = [(os.POSIX_SPAWN_DUP2, channel.fileno(), CHANNEL)]
    child = os.posix_spawnp(program[0], program, os.environ, file_actions=moves)
    channel.close()
    _thread.start_new_thread(end_with, (leash,))
    while True:
        ended, status = os.wait()  # orphans of the model come here, too
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


main()
