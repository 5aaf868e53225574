import type { Logger } from "pino";
import { CertificateError } from "./certificates.ts";
import { type ClientSecurity, createClientSecurity } from "./client-security.ts";
import { watchCoordinatorKeys } from "./coordinator-keys.ts";
import { createServerSecurity, type ServerSecurity } from "./server-security.ts";

/** Settings of the coordinator's side, by their names in the environment. */
export interface CoordinatorSettings {
  readonly SECURE_CERT_DIR?: string | undefined;
  readonly GATEWAY_CERT_DIR?: string | undefined;
}
/** How models are reached; undefined: plainly. @throws CertificateError when both are set, or files are unusable */
export async function clientSecurityOf(
  { SECURE_CERT_DIR, GATEWAY_CERT_DIR }: CoordinatorSettings,
  logger: Logger,
): Promise<ClientSecurity | undefined> {
  if (SECURE_CERT_DIR === undefined && GATEWAY_CERT_DIR === undefined) return undefined;
  return createClientSecurity({
    ...(SECURE_CERT_DIR === undefined ? {} : { certificates: SECURE_CERT_DIR }),
    ...(GATEWAY_CERT_DIR === undefined ? {} : { gateway: GATEWAY_CERT_DIR }),
    logger,
  });
}

/** Settings of the runner's side, by their names in the environment. */
export interface RunnerSecuritySettings {
  readonly RUNNER_SECURITY: "none" | "mtls" | "gateway";
  readonly RUNNER_CERT_DIR?: string | undefined;
  readonly RUNNER_COORDINATOR_KEYS?: string | undefined;
  readonly RUNNER_COORDINATOR_WALLET?: string | undefined;
  readonly RUNNER_COORDINATOR_HOTKEY?: string | undefined;
  readonly RUNNER_GATEWAY_TOKENS: "once" | "connection";
}
/** Who may call models; undefined: whoever reaches them. @throws CertificateError when a setting or file is missing */
export async function serverSecurityOf(
  settings: RunnerSecuritySettings,
  logger: Logger,
): Promise<ServerSecurity | undefined> {
  const { RUNNER_SECURITY: mode, RUNNER_CERT_DIR: certificates, RUNNER_COORDINATOR_WALLET: wallet } = settings;
  if (mode === "none") return undefined;
  if (settings.RUNNER_COORDINATOR_KEYS === undefined)
    throw new CertificateError(
      `RUNNER_SECURITY=${mode} needs RUNNER_COORDINATOR_KEYS, the file that names the coordinator's key hashes`,
    );
  const keys = await watchCoordinatorKeys(settings.RUNNER_COORDINATOR_KEYS, logger);
  try {
    const security = await createServerSecurity({
      mode,
      coordinatorKeys: keys,
      tokens: settings.RUNNER_GATEWAY_TOKENS,
      logger,
      ...(certificates === undefined ? {} : { certificates }),
      ...(wallet === undefined ? {} : { coordinator: { wallet, hotkey: settings.RUNNER_COORDINATOR_HOTKEY ?? null } }),
    });
    return {
      ...security,
      reload: async () => void (await Promise.all([security.reload(), keys.reload()])),
      close() {
        security.close();
        keys.close();
      },
    };
  } catch (error) {
    keys.close();
    throw error;
  }
}
