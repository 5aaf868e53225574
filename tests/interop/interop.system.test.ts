import { expect, test } from "vitest";
import { reportExchanges } from "./exchanges.ts";
import { publicClientOverOurs } from "./public-client.suite.ts";
import { publicClientAndFaults } from "./public-client-faults.suite.ts";
import { ourClientOverPublicRunner } from "./public-runner.suite.ts";
import { recordedSessions } from "./sessions.suite.ts";
import { sideBySide } from "./side-by-side.suite.ts";
import { publicPackages } from "./venv.ts";

/** Raised with every test that is added; a lower number means that something stopped being tried. */
const EXCHANGES_AT_LEAST = 340;

const packages = await publicPackages();

if ("missing" in packages) {
  test.skip(`interoperability: ${packages.missing}`, () => undefined);
} else {
  publicClientOverOurs(packages.client, packages.runner);
  publicClientAndFaults(packages.client);
  ourClientOverPublicRunner(packages);
  recordedSessions(packages.runner);
  sideBySide(packages);
  test("as much was exchanged as is committed", () => {
    expect(reportExchanges()).toBeGreaterThanOrEqual(EXCHANGES_AT_LEAST);
  });
}
