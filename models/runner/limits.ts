/** What one model may use of the machine. */
export interface ModelLimits {
  /** all its processes together; above, they are ended */
  readonly memoryMiB: number;
  /** of one process; above, it gets a MemoryError */
  readonly addressSpaceMiB: number;
  /** processes and threads together */
  readonly processes: number;
  /** of one process */
  readonly openFiles: number;
  /** size of one file */
  readonly fileSizeMiB: number;
  /** everything it writes; kept in memory */
  readonly tmpMiB: number;
}

export const DEFAULT_LIMITS: ModelLimits = {
  memoryMiB: 1024,
  addressSpaceMiB: 2048,
  processes: 128,
  openFiles: 256,
  fileSizeMiB: 64,
  tmpMiB: 64,
};

const MIB = 1 << 20;
export const mebibytes = (count: number): string => String(count * MIB);

/**
 * Arguments of prlimit. Without `addressSpace` for programs that reserve far more than they use, such as V8.
 */
export function processLimits(limits: ModelLimits, addressSpace: boolean): string[] {
  return [
    ...(addressSpace ? [`--as=${mebibytes(limits.addressSpaceMiB)}`] : []),
    `--nproc=${limits.processes}`,
    `--nofile=${limits.openFiles}`,
    `--fsize=${mebibytes(limits.fileSizeMiB)}`,
    "--core=0",
    "--msgqueue=0",
    "--",
  ];
}
