import type { ReactNode } from "react";

interface SectionProps {
  id: string;
  title: string;
  /** at the right of the heading */
  note?: ReactNode;
  children: ReactNode;
}

export const Section = ({ id, title, note, children }: SectionProps) => (
  <section className="card" aria-labelledby={`${id}-title`}>
    <div className="card-head">
      <h2 id={`${id}-title`}>{title}</h2>
      {note ? <p className="note">{note}</p> : null}
    </div>
    {children}
  </section>
);

/** A wide table scrolls inside its card, also by keyboard. */
export const ScrollBox = ({ label, children }: { label: string; children: ReactNode }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: without a tab stop a keyboard cannot scroll it
  <section className="scroll" aria-label={label} tabIndex={0}>
    {children}
  </section>
);

/** Why there is nothing to see, and what comes next. */
export const Empty = ({ why, next }: { why: string; next: ReactNode }) => (
  <div className="empty">
    <p className="empty-why">{why}</p>
    <p>{next}</p>
  </div>
);

/** What is shown before the first answer, in the size of what will stand there. */
const Skeleton = ({ rows }: { rows: number }) => (
  <div className="skeleton" aria-hidden="true">
    {Array.from({ length: rows }, (_, i) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: bars without identity
      <span key={i} />
    ))}
  </div>
);

interface WaitingProps {
  error: Error | null;
  rows: number;
}

/** No data yet: loading, or refused with the node's own words. */
export const Waiting = ({ error, rows }: WaitingProps) =>
  error ? <Empty why="The node did not answer this." next={error.message} /> : <Skeleton rows={rows} />;
