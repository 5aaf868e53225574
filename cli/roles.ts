import { InvalidArgumentError } from "commander";

/** Roles of the node, as `almanac start` and a cluster name them. */
export const ROLES = ["feed", "predict", "score", "checkpoint", "report", "orchestrator"] as const;

/** Checks a comma separated list of roles. Throws with the right names when one is unknown. */
export function parseRoles(text: string): string[] {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  const unknown = names.filter((name) => !(ROLES as readonly string[]).includes(name));
  if (unknown.length > 0 || names.length === 0)
    throw new InvalidArgumentError(`Unknown role ${unknown.join(", ") || "(none)"}; roles are ${ROLES.join(", ")}.`);
  return names;
}
