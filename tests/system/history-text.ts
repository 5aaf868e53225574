/** Everything that a history holds, payloads in clear text. Its own JSON has them in base64. */
export function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value)
    .map(([name, held]) => `${name}: ${textOf(held)}`)
    .join("\n");
}
