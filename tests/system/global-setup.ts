import type { TestProject } from "vitest/node";
import { environment } from "../../config.ts";
import { startTestPostgres } from "../../local/test-postgres.ts";
import { startTestTemporal } from "../../local/test-temporal.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Superuser's url of the run's PostgreSQL: hand it to createTestDatabase. */
    postgresUrl: string;
    /** host:port of the run's Temporal dev server; namespaces almanac and almanac-checkpoints are prepared. */
    temporalAddress: string;
  }
}

/** One PostgreSQL and one Temporal for the whole run, on free ports, in temporary folders. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const env = environment();
  const postgres = await startTestPostgres();
  const temporal = await startTestTemporal({ env, say: (line) => console.log(line) }).catch(async (error: unknown) => {
    await postgres.stop();
    throw error;
  });
  project.provide("postgresUrl", postgres.adminUrl);
  project.provide("temporalAddress", temporal.address);
  return async () => {
    await Promise.all([postgres.stop(), temporal.stop()]);
  };
}
