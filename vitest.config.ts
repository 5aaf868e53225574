import { defineConfig } from "vitest/config";
import { SecondTries } from "./tests/second-try.ts";

const system = ["tests/system/**/*.test.ts", "**/*.system.test.ts"];
const never = ["**/node_modules/**", "dist/**", ".almanac/**"];

export default defineConfig({
  test: {
    reporters: ["default", ["json", { outputFile: ".almanac/test-results.json" }], new SecondTries()],
    projects: [
      { test: { name: "unit", include: ["**/*.test.ts"], exclude: [...never, ...system], testTimeout: 10_000 } },
      {
        test: {
          name: "system",
          include: system,
          exclude: never,
          globalSetup: ["tests/system/global-setup.ts"],
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          retry: process.env.CI ? 1 : 0, // a strange machine may be busy for a moment
        },
      },
    ],
  },
});
