import type { FailedTransactionMetadata } from "litesvm";

/** An error of JSON-RPC, with Agave's codes: clients such as kit map them to typed errors. */
export class RpcError extends Error {
  override name = "RpcError";
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;
const PREFLIGHT_FAILURE = -32002;
const SIGNATURE_FAILURE = -32003;
const NODE_UNHEALTHY = -32005;
const UNSUPPORTED_VERSION = -32015;
const MIN_CONTEXT_SLOT = -32016;

export const preflightError = (err: unknown, logs: readonly string[] = [], unitsConsumed = 0): RpcError =>
  err === "SignatureFailure"
    ? new RpcError(SIGNATURE_FAILURE, "Transaction signature verification failure")
    : new RpcError(PREFLIGHT_FAILURE, `Transaction simulation failed: ${JSON.stringify(err)}`, {
        err,
        logs,
        unitsConsumed,
        accounts: null,
      });

export const behindError = (slot: number): RpcError =>
  new RpcError(MIN_CONTEXT_SLOT, "Minimum context slot has not been reached", { contextSlot: slot });

export const unhealthyError = (numSlotsBehind: number): RpcError =>
  new RpcError(NODE_UNHEALTHY, `Node is behind by ${numSlotsBehind} slots`, { numSlotsBehind });

export const versionError = (version: number): RpcError =>
  new RpcError(
    UNSUPPORTED_VERSION,
    `Transaction version (${version}) is not supported by the requesting client. Please try the request again with the following configuration parameter: "maxSupportedTransactionVersion": ${version}`,
  );

/** The error as Agave's serialisation gives it; LiteSVM only offers Rust's debug text. */
export function transactionError(failed: FailedTransactionMetadata): unknown {
  const match = /err: (InstructionError\((\d+), (?:Custom\((\d+)\)|(\w+))\)|\w+)(?: \{ account_index: (\d+) \})?/.exec(
    failed.toString(),
  );
  if (!match) return "UnknownError";
  const [, name, instruction, code, instructionError, accountIndex] = match;
  if (instruction !== undefined)
    return {
      InstructionError: [Number(instruction), code === undefined ? instructionError : { Custom: Number(code) }],
    };
  return accountIndex === undefined ? name : { [name!]: { account_index: Number(accountIndex) } };
}
