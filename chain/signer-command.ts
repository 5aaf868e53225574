import { spawn } from "node:child_process";
import { address, type SignatureBytes } from "@solana/kit";
import { ChainError } from "./port.ts";
import type { Signer } from "./signer.ts";

const SIGNATURE_BYTES = 64;
const MAX_ANSWER_BYTES = 4_096;
const SHOWN_ERROR_CHARS = 300;

export interface SignerCommand {
  /** program and its arguments; no shell reads them */
  argv: readonly [string, ...string[]];
  /** base58, whose key the program holds */
  address: string;
  timeoutMs: number;
}

/**
 * A signer that asks a program for each signature: base64 of the message on its stdin, base64 of the 64 bytes on its stdout, exit code 0.
 * A program that fails or takes too long is UNREACHABLE: asked again later.
 */
export const commandSigner = (command: SignerCommand): Signer => ({
  address: address(command.address),
  signMessages: (messages) =>
    Promise.all(
      messages.map(async ({ content }) => ({ [address(command.address)]: decode(await ask(command, content)) })),
    ),
});

function ask({ argv: [program, ...args], timeoutMs }: SignerCommand, message: Uint8Array): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], timeout: timeoutMs, killSignal: "SIGKILL" });
  const [answer, complaint] = [gather(child.stdout), gather(child.stderr)];
  child.stdin.on("error", () => undefined); // it may have ended without reading; its exit code tells
  child.stdin.end(Buffer.from(message).toString("base64"));
  child.on("error", (cause) => reject(new ChainError("UNREACHABLE", `SIGNER_COMMAND: ${cause.message}`, cause)));
  child.on("close", (code, signal) => {
    if (code === 0) return resolve(answer());
    const end = signal === "SIGKILL" ? `took longer than ${timeoutMs} ms` : `ended with ${code ?? signal}`;
    reject(new ChainError("UNREACHABLE", `SIGNER_COMMAND ${end}: ${complaint().trim().slice(0, SHOWN_ERROR_CHARS)}`));
  });
  return promise;
}

/** What a stream says, as far as anybody will read it. */
function gather(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    if (text.length < MAX_ANSWER_BYTES) text += chunk.toString("utf8");
  });
  return () => text;
}

function decode(answer: string): SignatureBytes {
  const bytes = Buffer.from(answer.trim(), "base64");
  if (bytes.length !== SIGNATURE_BYTES)
    throw new ChainError(
      "KEY_MISMATCH",
      `SIGNER_COMMAND answered ${bytes.length} bytes; a signature has 64, in base64.`,
    );
  return new Uint8Array(bytes) as SignatureBytes;
}
