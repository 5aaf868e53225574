"""A model that looks around in its box. Each answer is a look; what fills memory or prints fills and prints its own only."""
import os
import sys
import time

from tracker import TrackerBase


class Inside(TrackerBase):
    def __init__(self):
        self.kept = []

    def tick(self, data):
        pass

    def predict(self, subject):
        return getattr(self, f"do_{subject}")()

    def do_good(self):
        return {"value": 1.0}

    def do_look(self):
        import socket
        with open("/proc/self/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        with open("/proc/mounts") as file:
            mounts = [line.split() for line in file]
        folders = [m[1] for m in mounts if "rw" in m[3].split(",") and not m[1].startswith(("/proc", "/sys", "/dev/pts", "/dev/mqueue"))]
        return {
            "capabilities": status["CapEff"], "bounding": status["CapBnd"], "no_new_privs": status["NoNewPrivs"], "seccomp": status["Seccomp"],
            "uid": os.getuid(), "groups": os.getgroups(), "environment": sorted(os.environ),
            "interfaces": [name for _, name in socket.if_nameindex()],
            "writable": sorted(path for path in folders if os.access(path, os.W_OK)),
            "socket": os.path.exists("/run/almanac/host.sock"),
            "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
            "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")),
            "packages_first": sys.path[:2],
        }

    def do_orphan(self):
        """A child of a child, left behind: somebody has to collect it."""
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(0.2)
            os._exit(0)
        os.wait()
        time.sleep(1)
        states = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with open(f"/proc/{name}/stat") as file:
                    states.append(file.read().rsplit(")", 1)[1].split()[0])
        return {"zombies": states.count("Z")}

    def do_fill_tmp(self):
        """How many MiB fit into /tmp."""
        block, written = b"x" * (1 << 20), 0
        try:
            for number in range(4):
                with open(f"/tmp/{number}", "wb", buffering=0) as file:
                    for _ in range(48):
                        written += file.write(block)
        except OSError:
            pass
        for name in os.listdir("/tmp"):
            os.unlink(f"/tmp/{name}")
        return {"mebibytes": written >> 20}

    def do_fill_memory(self):
        """Many small pieces and many processes: no single request is too large."""
        for _ in range(16):
            if os.fork() == 0:
                break
        for _ in range(40):
            self.kept.append(os.urandom(1 << 20))
        time.sleep(3600)

    def do_whisper(self):
        print("out of", "inside", flush=True)
        print("error of inside", file=sys.stderr, flush=True)
        return {"value": 2.0}

    def do_last_words(self):
        print("last words", flush=True)
        os._exit(7)
