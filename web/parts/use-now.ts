import { useEffect, useState } from "react";

/** The node's clock: the browser's, moved by what the last answer told. `asOf` is the node's time, `receivedAt` ours. */
export function useNow(asOf: string | undefined, receivedAt: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  if (asOf === undefined) return now;
  return Math.max(Date.parse(asOf), now + Date.parse(asOf) - receivedAt);
}
