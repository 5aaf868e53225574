import type { Logger } from "pino";

const LOOK_EVERY_MS = 2_000;

/** The newest good reading of something that changes on disk. */
export interface Watched<T> {
  current(): T;
  /** Reads now instead of at the next look; for tests and for those who know of a change. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Reads every two seconds; `onChange` hears of every reading that differs. A reading that fails leaves the one before in
 * force and is logged once, so that a half-written file does no harm. Looking is used because file events are lost on
 * network and container file systems.
 * @throws what the first `read` throws
 */
export async function watch<T>(options: {
  what: string;
  read: () => Promise<T>;
  /** equal texts: nothing changed */
  textOf: (value: T) => string;
  onChange?: (value: T) => void;
  logger: Logger;
}): Promise<Watched<T>> {
  let value = await options.read();
  let text = options.textOf(value);
  let fault: string | undefined;
  let reading: Promise<void> | undefined;

  const look = async () => {
    try {
      const next = await options.read();
      fault = undefined;
      if (options.textOf(next) === text) return;
      value = next;
      text = options.textOf(next);
      options.logger.info({ what: options.what }, "read anew");
      options.onChange?.(next);
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== fault) options.logger.error({ what: options.what, reason }, "cannot be read; the last one stays");
      fault = reason;
    }
  };
  const reload = (): Promise<void> => {
    reading ??= look().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const timer = setInterval(reload, LOOK_EVERY_MS).unref();
  return { current: () => value, reload, close: () => clearInterval(timer) };
}
