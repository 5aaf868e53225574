import { clock } from "../format.ts";

/** A time of day, with date and UTC on hover or focus. */
export const Time = ({ at }: { at: string }) => (
  <time dateTime={at} title={`${new Date(at).toLocaleString()} · ${at} UTC`}>
    {clock(at)}
  </time>
);
