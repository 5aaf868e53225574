import { X509Certificate } from "node:crypto";
import type { SecureServerOptions } from "node:http2";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { type Identity, keyHashOf, spkiOf } from "./certificates.ts";

/** Old certificates that open connections may still stand on. */
const KEPT = 8;

/** Where a call came from, as gRPC tells it. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}
/** Tells two connections apart. */
export const nameOf = ({ remoteAddress, remotePort, localAddress, localPort }: Peer): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

/**
 * TLS whose certificate can be changed while calls run: new connections get the new one, open ones keep theirs. A proof
 * must fit the certificate of the very connection it is sent on, so sockets are remembered by their two ends.
 */
export class RotatingCredentials extends ServerCredentials {
  readonly #identities: Map<string, Identity>;
  readonly #sockets: Map<string, TLSSocket>;
  readonly #fingerprints = new WeakMap<TLSSocket, string>();
  #current: Identity;

  constructor(identity: Identity, clients: "required" | "unknown") {
    const sockets = new Map<string, TLSSocket>();
    super(serverOptions(sockets, clients), contextOf(identity));
    this.#sockets = sockets;
    this.#identities = new Map([[identity.leaf.fingerprint256, identity]]);
    this.#current = identity;
  }

  rotate(identity: Identity): void {
    this.#current = identity;
    this.#identities.delete(identity.leaf.fingerprint256);
    this.#identities.set(identity.leaf.fingerprint256, identity);
    if (this.#identities.size > KEPT) this.#identities.delete(this.#identities.keys().next().value ?? "");
    this.updateSecureContextOptions(contextOf(identity));
  }

  /** The identity whose certificate this connection was opened with. */
  identityOf(peer: Peer): Identity {
    const socket = this.#sockets.get(nameOf(peer));
    const fingerprint = socket && this.#fingerprintOf(socket);
    return (fingerprint === undefined ? undefined : this.#identities.get(fingerprint)) ?? this.#current;
  }

  /** Of the certificate that we showed on it: asked once, it stays. */
  #fingerprintOf(socket: TLSSocket): string | undefined {
    const before = this.#fingerprints.get(socket);
    if (before !== undefined) return before;
    const own = socket.getCertificate();
    if (!own || !("fingerprint256" in own)) return undefined;
    this.#fingerprints.set(socket, own.fingerprint256);
    return own.fingerprint256;
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function serverOptions(sockets: Map<string, TLSSocket>, clients: "required" | "unknown"): SecureServerOptions {
  return {
    requestCert: clients === "required",
    rejectUnauthorized: clients === "required",
    // The one place where a TLS socket can be seen: gRPC keeps them to itself.
    ALPNCallback(this: unknown, { protocols }: { protocols: string[] }) {
      remember(sockets, this as TLSSocket);
      return protocols.includes("h2") ? "h2" : undefined;
    },
  } as SecureServerOptions;
}

function remember(sockets: Map<string, TLSSocket>, socket: TLSSocket): void {
  const name = nameOf(socket);
  sockets.set(name, socket);
  socket.once("close", () => {
    if (sockets.get(name) === socket) sockets.delete(name);
  });
}

const contextOf = ({ ca, chain, key }: Identity): SecureContextOptions => ({
  ca,
  cert: chain,
  key,
  minVersion: "TLSv1.2",
});

const MAX_KNOWN = 256;
interface KnownKey {
  readonly spki: Buffer;
  readonly keyHash: string;
}
/** Parses each certificate once, however many calls come with it. */
export function createKeyCache(): (raw: Buffer, fingerprint: string) => KnownKey {
  const known = new Map<string, KnownKey>();
  return (raw, fingerprint) => {
    const before = known.get(fingerprint);
    if (before) return before;
    const certificate = new X509Certificate(raw);
    const key = { spki: spkiOf(certificate), keyHash: keyHashOf(certificate) };
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(fingerprint, key);
    return key;
  };
}
