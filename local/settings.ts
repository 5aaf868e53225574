import { join, resolve } from "node:path";
import { type Config, environment, readConfig } from "../config.ts";

/** The one visible file of settings that `npm start` adds, last in order. */
export const PROFILE = "local/profile.env";

export type LocalSettings = {
  config: Config;
  /** Every variable that the settings came from. */
  env: Record<string, string>;
  /** True when the user set it, not the profile and not a default. */
  isExplicit(name: string): boolean;
};

/** Settings of `npm start`. Throws ConfigError with every mistake. */
export function readLocalSettings(root: string, variables?: NodeJS.ProcessEnv): LocalSettings {
  const own = environment(undefined, variables);
  const env = environment(join(root, PROFILE), variables);
  const config = readConfig(env);
  // Compiled code and stripped types are kept, so that a warm start does not do that work again.
  env.NODE_COMPILE_CACHE ??= join(resolve(config.ALMANAC_DIR), "compile-cache");
  // glibc gives each thread a heap of its own and keeps what is freed; Temporal's core has many threads and little to keep
  // (all processes together: 946 MB with two arenas and no trimming, 896-929 MB with this, single runs).
  env.MALLOC_ARENA_MAX ??= "1";
  env.MALLOC_TRIM_THRESHOLD_ ??= "131072";
  return { config, env, isExplicit: (name) => Boolean(own[name]) };
}
