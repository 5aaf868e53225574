import { X509Certificate } from "node:crypto";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { Client, credentials } from "@grpc/grpc-js";
import { AuthError } from "./auth-error.ts";
import { type Identity, serverHostname, weaknessOf } from "./certificates.ts";
import type { WalletProof } from "./wallet-message.ts";

const HOST_NAME = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/** Who must answer, as the orchestrator names it. */
export interface ExpectedModel {
  readonly modelId: string;
  /** base58 */
  readonly wallet: string | null;
  readonly hotkey: string | null;
}
export interface EpochOptions {
  /** host:port */
  readonly address: string;
  /** of gRPC */
  readonly options: object;
  /** our own certificate */
  readonly identity: Identity;
  readonly expected: ExpectedModel;
}

/** What was proved, and for whom. */
export interface Trust {
  readonly proof: WalletProof;
  /** Unix seconds */
  readonly expiresAt: number;
  readonly expected: ExpectedModel;
}

/**
 * One gRPC channel that only ever speaks to one certificate: the first that it meets. Requests go over it only after the
 * owner of that certificate has proved itself. Another certificate, however it comes about, needs another epoch: so a
 * request that waits in gRPC for a connection can never go to one that nobody has looked at.
 */
export interface Epoch {
  readonly client: Client;
  readonly identity: Identity;
  pin?: PeerCertificate;
  trust?: Trust;
  /** nothing more may be sent over it */
  isOver: boolean;
  /** why the last handshake was refused */
  fault?: string;
}

/** Opens nothing yet: gRPC connects with the first call. @throws AuthError when the model cannot have a certificate at all */
export function openEpoch({ address, options, identity, expected }: EpochOptions): Epoch {
  const name = serverHostname(expected.modelId);
  if (!HOST_NAME.test(name))
    throw new AuthError("MODEL", "The model's id cannot be part of a host name, so no certificate can be for it");
  if (!expected.wallet) throw new AuthError("WALLET", "The orchestrator names no wallet for the model");
  // TLS has checked the chain against ca.crt before it asks.
  const checkIdentity = (_host: string, certificate: PeerCertificate): Error | undefined => {
    const fault = faultOf(name, certificate, it.pin);
    if (fault === undefined) {
      it.pin = certificate;
      return undefined;
    }
    it.fault = fault;
    it.isOver = true;
    return new Error(fault);
  };
  const it: Epoch = {
    identity,
    isOver: false,
    client: new Client(
      address,
      credentials.createSsl(identity.ca, identity.key, identity.chain, { checkServerIdentity: checkIdentity }),
      { ...options, "grpc.ssl_target_name_override": name, "grpc.default_authority": name },
    ),
  };
  return it;
}

function faultOf(name: string, certificate: PeerCertificate, pin: PeerCertificate | undefined): string | undefined {
  if (pin && pin.fingerprint256 !== certificate.fingerprint256)
    return "The certificate is another than the one that was proven";
  const mismatch = checkServerIdentity(name, certificate);
  if (mismatch) return mismatch.message;
  const weakness = weaknessOf(new X509Certificate(certificate.raw));
  return weakness && `The runner is refused: ${weakness}`;
}
