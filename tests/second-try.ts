import type { Reporter, TestModule, TestResult } from "vitest/node";

/** Names the tests that passed only at the second try, so that none is hidden: each is a defect to look into. */
export class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules)
      for (const test of module.children.allTests("passed"))
        if (test.diagnostic()?.flaky)
          console.log(
            `passed at the second try: ${module.relativeModuleId} > ${test.fullName}\n${reasons(test.result())}`,
          );
  }
}

/** What the first try failed by, cut short. */
const reasons = ({ errors }: TestResult): string =>
  (errors ?? [])
    .map(({ message }) => `  ${message.split("\n").slice(0, LINES).join("\n  ").slice(0, LENGTH)}`)
    .join("\n");
const LINES = 4;
const LENGTH = 600;
