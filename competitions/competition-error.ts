/** One mistake of a contract: the field or setting, what is wrong, what to write. */
export interface Problem {
  where: string;
  what: string;
}

/** A competition that cannot be run as it is; all mistakes at once. */
export class CompetitionError extends Error {
  override name = "CompetitionError";
  readonly problems: readonly Problem[];
  constructor(path: string, problems: readonly Problem[]) {
    super(
      [
        `COMPETITION=${path}: ${problems.length} mistake(s):`,
        ...problems.map(({ where, what }) => `  ${where}: ${what}`),
      ].join("\n"),
    );
    this.problems = problems;
  }
}
