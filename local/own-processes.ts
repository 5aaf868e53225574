import { family } from "./end-process.ts";
import { type Identity, listProcesses, startedWith } from "./process-identity.ts";

/** Variable that marks every process that the supervisor of a folder starts, and what inherits from it. */
export const MARKER = "ALMANAC_INSTANCE";

/**
 * Every process of a folder of local state, with what is below it: those that carry the marker (Linux), and model runners,
 * which start with a clean environment but name the folder as their `stateDir`.
 */
export function ownProcesses(home: string): Identity[] {
  const named = `"stateDir":${JSON.stringify(home)}`;
  const runners = listProcesses().flatMap(({ pid, command }) =>
    command.includes(named) && pid !== process.pid ? [pid] : [],
  );
  const all = [...startedWith(`${MARKER}=${home}`), ...runners].flatMap(family);
  return [...new Map(all.map((identity) => [identity.pid, identity])).values()];
}
