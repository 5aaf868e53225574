import { type FilterArch, type Syscall, syscallNumber } from "./syscalls.ts";

/** Name of the filter's file beside the host program. */
export const FILTER_FILE = "seccomp.bpf";

const ARCHITECTURES: Record<FilterArch, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** Numbers from here on are the x32 ABI, a second way to every call of x86_64. */
const X32 = 0x4000_0000;

const [EPERM, ENOSYS] = [1, 38];
const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const errno = (code: number): number => 0x0005_0000 | code;

const AF_UNIX = 1;
const QUERY_PERSONALITY = 0xffff_ffff;
const [TIOCSTI, TIOCLINUX] = [0x5412, 0x541c];
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACES = 0x7e02_0000;

/** A model has no business with these: other processes, the kernel's insides, mounts, namespaces, the machine's clock and name. */
const REFUSED: readonly Syscall[] = [
  ...(["ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"] as const),
  ...(["pidfd_getfd", "kcmp", "move_pages", "migrate_pages"] as const),
  ...(["keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd", "fanotify_init"] as const),
  ...(["mount", "umount2", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount"] as const),
  ...(["fspick", "pivot_root", "mount_setattr", "chroot", "unshare", "setns"] as const),
  ...(["open_by_handle_at", "name_to_handle_at", "quotactl", "quotactl_fd", "acct", "swapon", "swapoff"] as const),
  ...(["kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module"] as const),
  ...(["query_module", "reboot", "syslog", "vhangup", "uselib", "nfsservctl", "lookup_dcookie", "_sysctl"] as const),
  ...(["settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"] as const),
  ...(["ioperm", "iopl", "modify_ldt"] as const),
];
/**
 * Libraries try these and go on without them. clone3 hides its flags from a filter, so that clone, which shows them, is
 * used instead; memfd, System V and POSIX queues hold memory that no process seems to use.
 */
const MISSING: readonly Syscall[] = [
  ...(["clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"] as const),
  ...(["memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open"] as const),
];

// Classic BPF: eight bytes an instruction: u16 code, u8 jump if true, u8 jump if false, u32 operand.
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];
const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const skipUnlessEqual = (value: number, skip: number): Instruction => [0x15, 0, skip, value];
const skipIfEqual = (value: number, skip: number): Instruction => [0x15, skip, 0, value];
const skipUnlessAtLeast = (value: number, skip: number): Instruction => [0x35, 0, skip, value];
const skipUnlessAnyBit = (mask: number, skip: number): Instruction => [0x45, 0, skip, mask];
const answer = (action: number): Instruction => [0x06, 0, 0, action];

// struct seccomp_data: u32 number, u32 architecture, u64 instruction pointer, u64 arguments. The kernel reads only the low
// half of the arguments that are looked at here, and so do we.
const NUMBER = load(0);
const ARCHITECTURE = load(4);
const argument = (index: number): Instruction => load(16 + 8 * index);

/** Instructions for one call; the accumulator holds the number before, and after if nothing was answered. */
type Rule = readonly [call: Syscall, body: readonly Instruction[]];
const always =
  (action: number) =>
  (call: Syscall): Rule => [call, [answer(action)]];
const onlyWith = (call: Syscall, index: number, values: readonly number[]): Rule => [
  call,
  [
    argument(index),
    ...values.map((value, i) => skipIfEqual(value, values.length - i)),
    answer(errno(EPERM)),
    answer(ALLOW),
  ],
];
const neverWith = (call: Syscall, index: number, values: readonly number[]): Rule => [
  call,
  [
    argument(index),
    ...values.map((value, i) => skipIfEqual(value, values.length - i)),
    answer(ALLOW),
    answer(errno(EPERM)),
  ],
];
const withoutBits = (call: Syscall, index: number, mask: number): Rule => [
  call,
  [argument(index), skipUnlessAnyBit(mask, 1), answer(errno(EPERM)), answer(ALLOW)],
];

const RULES: readonly Rule[] = [
  ...REFUSED.map(always(errno(EPERM))),
  ...MISSING.map(always(errno(ENOSYS))),
  onlyWith("socket", 0, [AF_UNIX]),
  onlyWith("socketpair", 0, [AF_UNIX]),
  onlyWith("personality", 0, [0, QUERY_PERSONALITY]),
  neverWith("ioctl", 1, [TIOCSTI, TIOCLINUX]),
  withoutBits("clone", 0, NEW_NAMESPACES),
];

const filterArch = (arch: string): FilterArch | undefined => (arch === "x64" || arch === "arm64" ? arch : undefined);

/**
 * The system call filter for models as bytes for seccomp, or undefined on an architecture (Node's name) that it does not know.
 * A call through another architecture's table (32 bit) kills the process, one through x32 is unknown, as to kernels without it.
 */
export function seccompFilter(architecture: string): Buffer | undefined {
  const arch = filterArch(architecture);
  if (arch === undefined) return undefined;
  const program: Instruction[] = [
    ARCHITECTURE,
    skipIfEqual(ARCHITECTURES[arch], 1),
    answer(KILL_PROCESS),
    NUMBER,
    ...(arch === "x64" ? [skipUnlessAtLeast(X32, 1), answer(errno(ENOSYS))] : []),
  ];
  for (const [call, body] of RULES) {
    const number = syscallNumber(call, arch);
    if (number !== null) program.push(skipUnlessEqual(number, body.length), ...body);
  }
  program.push(answer(ALLOW));
  return encode(program);
}

function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [i, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(ifTrue, i * 8 + 2);
    bytes.writeUInt8(ifFalse, i * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, i * 8 + 4);
  }
  return bytes;
}
