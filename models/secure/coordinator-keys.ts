import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { z } from "zod";
import { CertificateError } from "./certificates.ts";
import { type Watched, watch } from "./watched-file.ts";

const EMPTY = "0".repeat(64);
const hash = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/)
  .transform((hex) => hex.toLowerCase());
// The names are the index's answer for a coordinator's two slots, so that its answer can be kept as the file.
const schema = z.object({ certHash: hash.nullish(), certHashSecondary: hash.nullish() });

/** Hashes of the public keys that may call now: at most a primary and a secondary. */
export type CoordinatorKeys = Pick<Watched<ReadonlySet<string>>, "current">;

/** Two slots in a JSON file {certHash, certHashSecondary}, read anew when it changes; a hash of zeros is an empty slot. */
export const watchCoordinatorKeys = (path: string, logger: Logger): Promise<Watched<ReadonlySet<string>>> =>
  watch({
    what: path,
    read: () => readHashes(path),
    textOf: (hashes) => [...hashes].join(),
    logger,
  });

async function readHashes(path: string): Promise<ReadonlySet<string>> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new CertificateError(`${path} cannot be read (${cause.code}); it names the coordinator's key hashes`, {
      cause,
    });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null; // the schema's refusal says what was expected
  }
  const found = schema.safeParse(value);
  if (!found.success)
    throw new CertificateError(
      `${path}: {"certHash": "<64 hex digits>", "certHashSecondary": "<64 hex digits>" or null} is expected`,
    );
  const { certHash, certHashSecondary } = found.data;
  return new Set([certHash, certHashSecondary].filter((it): it is string => !!it && it !== EMPTY));
}
