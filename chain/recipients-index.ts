import { z } from "zod";
import { jsonOf, matchRecipients, type Recipients, recipientsIn } from "./recipients.ts";

export interface RecipientsIndex {
  /** of the chain's index: GET <url>/crunches/<crunch> is asked */
  url: string;
  /** address of the crunch */
  crunch: string;
  /** absent: 10 s */
  timeoutMs?: number;
  /** absent: 8 MiB */
  maxBytes?: number;
}

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 8 << 20;
const answer = z.object({ address: z.string(), crunchers: z.array(z.unknown()) });

/**
 * The crunch's own list on chain, as an index serves it: {address, crunchers: [{address, name, cruncherIndex}]}. Asked anew at each question.
 * Throws an Error naming the address asked and what is wrong, also where nobody answers: the caller tries again.
 */
export function recipientsIndex({
  url,
  crunch,
  timeoutMs = TIMEOUT_MS,
  maxBytes = MAX_BYTES,
}: RecipientsIndex): Recipients {
  const asked = new URL(`crunches/${encodeURIComponent(crunch)}`, url.endsWith("/") ? url : `${url}/`);
  const where = `the chain index ${asked.origin}${asked.pathname}`;
  return {
    remedy: `let them join the crunch on chain (${where} does not list them), or name them in RECIPIENTS_FILE`,
    async resolve(crunchers) {
      const text = await textOf(asked, { where, timeoutMs, maxBytes });
      const parsed = answer.safeParse(jsonOf(text, where));
      if (!parsed.success) throw new Error(`${where} answers in another shape: ${z.prettifyError(parsed.error)}`);
      if (parsed.data.address !== crunch)
        throw new Error(`${where} answers for another crunch: ${parsed.data.address.slice(0, 80)}`);
      return matchRecipients(recipientsIn(parsed.data.crunchers, where), crunchers);
    },
  };
}

interface Limits {
  where: string;
  timeoutMs: number;
  maxBytes: number;
}

/** The body, within time and size; a redirect is an error, since it may lead anywhere. */
async function textOf(url: URL, { where, timeoutMs, maxBytes }: Limits): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`answers ${response.status}`);
    }
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.length;
      if (bytes > maxBytes) throw new Error(`answers more than ${maxBytes} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts).toString("utf8");
  } catch (error) {
    throw new Error(`${where}: ${signal.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** fetch says why in its cause. */
const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
};
