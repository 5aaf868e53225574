/** Exit codes of the command line beside 0 (well) and 1 (failure). */
export const EXIT = { usage: 2, config: 3, notFound: 4, conflict: 5, mismatch: 6, unreachable: 7 } as const;

/** A failure with an exit code of its own. */
export class ExitError extends Error {
  override name = "ExitError";
  readonly exitCode: number;
  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
