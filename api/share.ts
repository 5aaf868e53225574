/** Answers that many ask for at once are made once: a loaded value serves for `ms`, and callers join a load under way. */
export function shareFor<T>(ms: number, load: () => Promise<T>, now: () => number = Date.now): () => Promise<T> {
  let current: { value: Promise<T>; until: number } | null = null;
  return () => {
    if (current && now() < current.until) return current.value;
    const entry = { value: load(), until: Number.POSITIVE_INFINITY };
    current = entry;
    entry.value.then(
      () => {
        entry.until = now() + ms;
      },
      () => {
        if (current === entry) current = null; // a failure is not kept
      },
    );
    return entry.value;
  };
}
