/** npm passes a Ctrl-C on to its child, which the terminal has told already: both are one keypress. */
const ONE_KEYPRESS_MS = 1000;

/** Calls `stop` on the first Ctrl-C, SIGTERM or hang-up and `kill` on the next one. */
export function onStopSignal(stop: () => void, kill: () => void): void {
  let first = 0;
  const heard = () => {
    if (first === 0) {
      first = Date.now();
      stop();
    } else if (Date.now() - first > ONE_KEYPRESS_MS) kill();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, heard);
}
