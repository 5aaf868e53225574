import { CALLABLE_SETTINGS, type CallableSetting } from "../competitions/callables.ts";
import type { LoadOptions } from "../competitions/load.ts";
import type { Config } from "../config.ts";
import { granularityMs } from "../domain/granularity.ts";

/** What the settings say of the competition and its callables. */
export const loadOptions = (config: Config): LoadOptions => ({
  callables: Object.fromEntries(
    (Object.keys(CALLABLE_SETTINGS) as CallableSetting[]).map((setting) => [setting, config[setting]]),
  ),
  granularityMs: granularityMs(config.FEED_STREAMS[0].granularity),
  timeoutMs: config.MODEL_RUNNER_TIMEOUT_SECONDS * 1_000,
});
