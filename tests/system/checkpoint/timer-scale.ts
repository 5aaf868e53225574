export const TIMES_FASTER = 1_000_000;
