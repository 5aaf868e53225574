import { Metadata } from "@grpc/grpc-js";
import { AuthError } from "./auth-error.ts";
import type { GatewayToken } from "./gateway-token.ts";
import type { WalletProof } from "./wallet-message.ts";

const RUNNER = ["x-server-auth-message", "x-server-auth-signature", "x-server-wallet-pubkey"] as const;
const COORDINATOR = ["x-auth-message", "x-auth-signature", "x-auth-wallet-pubkey"] as const;
const GATEWAY = ["x-gateway-auth-message", "x-gateway-auth-signature", "x-gateway-auth-pubkey"] as const;
type Names = typeof RUNNER | typeof COORDINATOR | typeof GATEWAY;

const TEXTS: readonly (readonly [Names, string])[] = [
  [RUNNER, `Missing auth metadata (${RUNNER.join("/")})`],
  [COORDINATOR, "Missing auth metadata (x-auth-message/signature/wallet-pubkey)"],
  [GATEWAY, "Missing gateway auth metadata"],
];
const missing = (names: Names): string => TEXTS.find(([known]) => known === names)?.[1] ?? "";

/** Three texts; of a header that comes twice, the last for wallets and the first for gateways, as the peers read it. */
function read(metadata: Metadata, names: Names, which: "first" | "last"): [string, string, string] {
  const values = names.map((name) => metadata.get(name).at(which === "first" ? 0 : -1));
  if (values.some((value) => value === undefined || value.length === 0)) throw new AuthError("MISSING", missing(names));
  if (!values.every((value) => typeof value === "string"))
    throw new AuthError("MISSING", "Auth metadata must be strings (non -bin headers)");
  return values as [string, string, string];
}

function write(metadata: Metadata, names: Names, values: readonly [string, string, string]): Metadata {
  for (const [i, name] of names.entries()) metadata.set(name, values[i]!);
  return metadata;
}

const proofOf = ([message, signature, wallet]: [string, string, string]): WalletProof => ({
  message,
  signature,
  wallet,
});

/** The runner's proof in what it answers. @throws AuthError when it is not there */
export const readRunnerProof = (metadata: Metadata): WalletProof => proofOf(read(metadata, RUNNER, "last"));
export const runnerProof = ({ message, signature, wallet }: WalletProof): Metadata =>
  write(new Metadata(), RUNNER, [message, signature, wallet]);

/** The coordinator's proof in what it asks. @throws AuthError when it is not there */
export const readCoordinatorProof = (metadata: Metadata): WalletProof => proofOf(read(metadata, COORDINATOR, "last"));
export const addCoordinatorProof = (metadata: Metadata, { message, signature, wallet }: WalletProof): Metadata =>
  write(metadata, COORDINATOR, [message, signature, wallet]);

/** @throws AuthError when it is not there */
export function readGatewayToken(metadata: Metadata): GatewayToken {
  const [message, signature, key] = read(metadata, GATEWAY, "first");
  return { message, signature, key };
}
export const addGatewayToken = (metadata: Metadata, { message, signature, key }: GatewayToken): Metadata =>
  write(metadata, GATEWAY, [message, signature, key]);
