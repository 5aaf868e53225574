/** Run by temporal-binary.ts in a process of its own: `node temporal-download.ts <folder>` leaves the binary in the folder. */
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { DefaultLogger, Runtime } from "@temporalio/worker";

/** Messages of the whole chain of causes, on one line. */
function reasons(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : { message: String(error), cause: undefined };
  return [message, ...(cause ? [reasons(cause)] : [])].join(": ").replaceAll("\n", " ");
}

Runtime.install({ logger: new DefaultLogger("ERROR") });
const executable = { type: "cached-download", downloadDir: process.argv[2] ?? ".", ttl: "365 days" } as const;
try {
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable } });
  await environment.teardown();
} catch (error) {
  console.error(reasons(error));
  process.exitCode = 1;
}
