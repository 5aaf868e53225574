import { X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { PeerCertificate } from "node:tls";
import { type ClientUnaryCall, status as grpcStatus, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  CallAborted,
  type RunnerChannel,
  sendUnary,
  type UnaryAnswer,
  type UnaryRequest,
} from "../client/runner-channel.ts";
import { AuthError } from "./auth-error.ts";
import { COORDINATOR, hashOfPeer, spkiOf } from "./certificates.ts";
import { type Epoch, type EpochOptions, type ExpectedModel, openEpoch, type Trust } from "./epoch.ts";
import { addCoordinatorProof, readRunnerProof } from "./headers.ts";
import { isExpired, verifyWalletMessage } from "./wallet-message.ts";

const EMPTY_CALL = "/dynamic_subclass.DynamicSubclassService/Call";
const RETRY_MS = 150;
/** What TLS says of a chain that it does not trust. */
const BAD_CHAIN = /certificate|self.signed|issuer|altname/i;

export interface VerifiedChannelOptions extends Omit<EpochOptions, "identity" | "expected"> {
  /** our own certificate, as it is now */
  readonly identity: () => EpochOptions["identity"];
  /** who must answer, as the orchestrator names it now */
  readonly expected: () => ExpectedModel;
  readonly now: () => number;
}
/** What came back of one call beside its answer. */
interface Seen {
  /** undefined: it never left */
  certificate?: PeerCertificate;
  initial?: Metadata;
  violation?: AuthError;
}

/** The gRPC channel to a model that must prove itself before a request leaves; see the decisions on the secure protocol. */
export function verifiedChannel(given: VerifiedChannelOptions): RunnerChannel {
  const { now } = given;
  let epoch: Epoch | undefined;
  let renewal: Promise<void> | undefined;
  let isClosed = false;

  const isTrusted = (it: Epoch | undefined): it is Epoch & { trust: Trust } =>
    it?.trust !== undefined &&
    !it.isOver &&
    it.identity === given.identity() &&
    !isExpired(it.trust.expiresAt, now()) &&
    isSame(it.trust.expected, given.expected());

  /** Closes what cannot be trusted any more, and has the other side prove itself on a new connection. */
  async function renew(deadlineAt: number): Promise<void> {
    epoch?.client.close(); // calls that run over it go on
    epoch = undefined;
    if (isClosed) throw new CallAborted();
    const next = openEpoch({ ...given, identity: given.identity(), expected: given.expected() });
    epoch = next;
    try {
      await prove(next, deadlineAt);
    } catch (error) {
      next.isOver = true;
      next.client.close();
      throw error;
    }
  }

  async function prove(it: Epoch, deadlineAt: number): Promise<void> {
    const seen: Seen = {};
    // Runs no model code and says nothing but who asks; it brings the first metadata.
    const request = { path: EMPTY_CALL, bytes: Buffer.alloc(0), parse: () => ({}), deadlineAt };
    const failure = await sendUnary(it.client, request, metadataOf(it), (call) => look(call, seen)).then(
      () => undefined,
      (error: ServiceError) => error,
    );
    if (!seen.initial || !seen.certificate) throw failureOf(it, failure);
    it.trust = judge(it, seen.certificate, seen.initial);
  }

  /** @throws AuthError */
  function judge(it: Epoch, certificate: PeerCertificate, initial: Metadata): Trust {
    if (certificate.fingerprint256 !== it.pin?.fingerprint256)
      throw new AuthError("CERTIFICATE", "The answer came over a connection with another certificate");
    const proof = readRunnerProof(initial);
    if (it.trust && isSame(it.trust.proof, proof)) return it.trust;
    const expected = given.expected();
    const spki = spkiOf(new X509Certificate(certificate.raw));
    const { expiresAt } = verifyWalletMessage(proof, { ...expected, spki, nowMs: now() });
    return { proof, expiresAt, expected };
  }

  const ensure = (deadlineAt: number): Promise<void> | undefined => {
    if (isTrusted(epoch)) return undefined;
    renewal ??= renew(deadlineAt).finally(() => {
      renewal = undefined;
    });
    return renewal;
  };

  async function sendTrusted<T>(request: UnaryRequest<T>, isSecond: boolean): Promise<UnaryAnswer<T>> {
    const it = epoch;
    if (!isTrusted(it)) throw new AuthError("EXPIRED", "The model's proof ended while it was looked at");
    const seen: Seen = {};
    const onCall = (call: ClientUnaryCall) =>
      look(call, seen, (certificate, initial) => {
        it.trust = judge(it, certificate, initial);
      });
    try {
      const answer = await sendUnary(it.client, request, metadataOf(it), onCall);
      if (seen.violation) throw seen.violation;
      if (!seen.initial) throw new AuthError("MISSING", "The answer came without the model's proof");
      return answer;
    } catch (error) {
      if (error instanceof CallAborted) throw error;
      const failure = error instanceof AuthError ? error : failureOf(it, error as ServiceError);
      if (failure instanceof AuthError) it.isOver = true;
      // The connection was lost and the next one has another certificate: the request has not left yet.
      if (it.isOver && seen.certificate === undefined && !isSecond) return send(request, true);
      throw failure;
    }
  }

  async function send<T>(request: UnaryRequest<T>, isSecond = false): Promise<UnaryAnswer<T>> {
    const waiting = ensure(request.deadlineAt);
    if (waiting) await abortable(waiting, request.signal);
    return sendTrusted(request, isSecond);
  }

  return {
    async ready(timeoutMs) {
      const deadlineAt = Date.now() + timeoutMs;
      for (;;) {
        try {
          return await ensure(deadlineAt);
        } catch (error) {
          const isWorthWaiting = (error as ServiceError).code === grpcStatus.UNAVAILABLE;
          if (!isWorthWaiting || isClosed || Date.now() + RETRY_MS >= deadlineAt) throw error;
          await sleep(RETRY_MS);
        }
      }
    },
    unary: (request) => send(request),
    provenKey: () => (isTrusted(epoch) && epoch.pin ? hashOfPeer(epoch.pin) : undefined),
    close() {
      isClosed = true;
      epoch?.client.close();
    },
  };
}

/** Listens for who answers and for the proof that comes first; `check` throws what it finds wrong. */
function look(
  call: ClientUnaryCall,
  seen: Seen,
  check?: (certificate: PeerCertificate, initial: Metadata) => void,
): void {
  const whose = () => call.getAuthContext()?.sslPeerCertificate;
  call.on("metadata", (initial: Metadata) => {
    const certificate = whose();
    seen.initial = initial;
    if (!certificate) return;
    seen.certificate = certificate;
    try {
      check?.(certificate, initial);
    } catch (error) {
      seen.violation = error as AuthError;
    }
  });
  call.on("status", () => {
    const certificate = whose();
    if (certificate) seen.certificate = certificate;
  });
}

/** What a failed call says of the other side; anything else stays what gRPC said. */
function failureOf(it: Epoch, error: ServiceError | undefined): Error {
  if (!error) return new AuthError("MISSING", "The answer came without the model's proof");
  if (error.code === grpcStatus.UNAUTHENTICATED)
    return new AuthError("KEY", `The runner refuses this coordinator: ${error.details}`, { cause: error });
  if (error.code !== grpcStatus.UNAVAILABLE) return error;
  const fault = it.fault ?? (BAD_CHAIN.test(error.details) ? error.details : undefined);
  return fault === undefined ? error : new AuthError("CERTIFICATE", fault, { cause: error });
}

const metadataOf = ({ identity }: Epoch): Metadata => {
  const own = identity.proofs.get(COORDINATOR);
  return own ? addCoordinatorProof(new Metadata(), own) : new Metadata();
};

const isSame = <T extends object>(a: T, b: T): boolean =>
  (Object.keys(a) as (keyof T)[]).every((key) => a[key] === b[key]);

function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new CallAborted());
  if (signal.aborted) giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", giveUp));
}
