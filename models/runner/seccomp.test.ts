import { describe, expect, test } from "vitest";
import { seccompFilter } from "./seccomp.ts";
import { type FilterArch, type Syscall, syscallNumber } from "./syscalls.ts";

const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 };
const I386 = 0x40000003;
const ALLOW = "allow";
const EPERM = "errno 1";
const ENOSYS = "errno 38";

/** What the kernel would answer: a machine for the few instructions of classic BPF that seccomp knows. */
function run(filter: Buffer, data: { arch: number; number: number; args?: bigint[] }): string {
  const seen = Buffer.alloc(64);
  seen.writeUInt32LE(data.number, 0);
  seen.writeUInt32LE(data.arch, 4);
  data.args?.forEach((value, i) => {
    seen.writeBigUInt64LE(value, 16 + 8 * i);
  });
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const [code, yes, no] = [filter.readUInt16LE(at * 8), filter[at * 8 + 2]!, filter[at * 8 + 3]!];
    const operand = filter.readUInt32LE(at * 8 + 4);
    if (code === 0x20) accumulator = seen.readUInt32LE(operand);
    else if (code === 0x15) at += accumulator === operand ? yes : no;
    else if (code === 0x35) at += accumulator >= operand ? yes : no;
    else if (code === 0x45) at += (accumulator & operand) !== 0 ? yes : no;
    else if (code === 0x06) return action(operand);
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error("ran off the end");
}

function action(value: number): string {
  if (value === 0x7fff0000) return ALLOW;
  if (value === 0x80000000) return "kill";
  if (value >>> 16 === 5) return `errno ${value & 0xffff}`;
  throw new Error(`unknown action ${value}`);
}

describe.each<FilterArch>(["x64", "arm64"])("filter for %s", (arch) => {
  const filter = seccompFilter(arch)!;
  const ask = (name: Syscall, ...args: bigint[]) => {
    const number = syscallNumber(name, arch);
    if (number === null) throw new Error(`${name} is not there`);
    return run(filter, { arch: AUDIT_ARCH[arch], number, args });
  };

  test.each<Syscall>([
    "ptrace",
    "process_vm_readv",
    "keyctl",
    "bpf",
    "perf_event_open",
    "mount",
    "umount2",
    "pivot_root",
  ])("%s is refused", (name) => expect(ask(name)).toBe(EPERM));
  test.each<Syscall>(["unshare", "setns", "userfaultfd", "kexec_load", "finit_module", "swapon", "reboot", "fsopen"])(
    "%s is refused",
    (name) => expect(ask(name)).toBe(EPERM),
  );
  test.each<Syscall>(["clone3", "io_uring_setup", "memfd_create", "shmget"])("%s is not there", (name) =>
    expect(ask(name)).toBe(ENOSYS),
  );

  test("sockets are those between processes of the box only", () => {
    for (const name of ["socket", "socketpair"] as const) {
      expect(ask(name, 1n, 1n)).toBe(ALLOW);
      for (const family of [0n, 2n, 10n, 16n, 17n, 38n, 40n]) expect(ask(name, family)).toBe(EPERM);
      expect(ask(name, 0xffff_ffff_0000_0002n)).toBe(EPERM); // the kernel reads the low half, too
    }
  });

  test("clone makes processes and threads, and no namespaces", () => {
    expect(ask("clone", 0x11n)).toBe(ALLOW);
    expect(ask("clone", 0x3d0f00n)).toBe(ALLOW);
    for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n])
      expect(ask("clone", flag | 0x11n)).toBe(EPERM);
  });

  test("arguments decide about terminals and personalities", () => {
    expect(ask("ioctl", 0n, 0x5412n)).toBe(EPERM);
    expect(ask("ioctl", 0n, 0x541cn)).toBe(EPERM);
    expect(ask("ioctl", 0x5412n, 0x5401n)).toBe(ALLOW);
    expect(ask("personality", 0n)).toBe(ALLOW);
    expect(ask("personality", 0xffff_ffffn)).toBe(ALLOW);
    expect(ask("personality", 0x40000n)).toBe(EPERM);
  });

  test("everything else passes", () => {
    for (const number of [0, 1, 3, 13, 24, 281, 449])
      expect(run(filter, { arch: AUDIT_ARCH[arch], number })).toBe(ALLOW);
  });

  test("other tables of system calls are no way around", () => {
    expect(run(filter, { arch: I386, number: 20 })).toBe("kill");
    expect(run(filter, { arch: AUDIT_ARCH[arch === "x64" ? "arm64" : "x64"], number: 1 })).toBe("kill");
    if (arch === "x64") expect(run(filter, { arch: AUDIT_ARCH.x64, number: 0x4000_0000 + 101 })).toBe(ENOSYS);
  });

  test("is short enough for the kernel", () => expect(filter.length / 8).toBeLessThanOrEqual(4096));
});

test("an architecture that we have no numbers for has no filter", () => {
  expect(seccompFilter("riscv64")).toBeUndefined();
});
