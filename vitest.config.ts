import { defineConfig } from "vitest/config";

const system = ["tests/system/**/*.test.ts", "**/*.system.test.ts"];
const never = ["**/node_modules/**", "dist/**", ".almanac/**"];

export default defineConfig({
  test: {
    reporters: ["default", ["json", { outputFile: ".almanac/test-results.json" }]],
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
        },
      },
    ],
  },
});
