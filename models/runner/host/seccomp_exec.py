"""Takes a system call filter upon itself and becomes a command. For boxes whose tools cannot load a filter.

Started as `seccomp_exec.py <file of BPF instructions> <command> [argument...]`; ends with an error rather than go on without.
"""
import ctypes
import os
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
INSTRUCTION_BYTES = 8


class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def prctl(*values):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*values) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


with open(sys.argv[1], "rb") as file:
    filter_bytes = file.read()
zero = ctypes.c_ulong(0)
prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero)
program = Program(len(filter_bytes) // INSTRUCTION_BYTES, filter_bytes)
prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(program), zero, zero)
os.execv(sys.argv[2], sys.argv[2:])
