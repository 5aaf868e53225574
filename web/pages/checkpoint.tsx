import { useEffect } from "react";
import { useCheckpoint, useInfo, usePayouts, useTransitions } from "../client.ts";
import { Approvals } from "../parts/approvals.tsx";
import { CheckpointCard } from "../parts/checkpoint-card.tsx";
import { Decide } from "../parts/decide.tsx";
import { Header } from "../parts/header.tsx";
import { PayoutsTable } from "../parts/payouts-table.tsx";
import { Empty, Section, Waiting } from "../parts/section.tsx";

/** One checkpoint: how it came about, who gets what, what was decided, and its proof. */
export const CheckpointPage = ({ id }: { id: string }) => {
  const info = useInfo();
  const checkpoint = useCheckpoint(id);
  const steps = useTransitions(checkpoint.data?.id);
  const payouts = usePayouts(checkpoint.data?.id);
  const failing = checkpoint.isError || checkpoint.failureCount > 0;
  useEffect(() => {
    document.title = `${checkpoint.data?.id ?? id} · Almanac`;
  }, [checkpoint.data?.id, id]);
  return (
    <>
      <Header info={info.data} answeredAt={checkpoint.dataUpdatedAt} failing={failing} at="checkpoints" />
      <main id="main">
        <Section id="checkpoint" title="Checkpoint" note={<a href="/checkpoints">all checkpoints</a>}>
          {checkpoint.data ? (
            <>
              {info.data ? <Decide checkpoint={checkpoint.data} info={info.data} /> : null}
              <CheckpointCard checkpoint={checkpoint.data} transitions={steps.data?.data ?? []} info={info.data}>
                <Approvals checkpoint={checkpoint.data} />
                {payouts.data ? <PayoutsTable payouts={payouts.data} /> : null}
              </CheckpointCard>
            </>
          ) : checkpoint.data === null ? (
            <Empty
              why={`There is no checkpoint ${id}.`}
              next={
                <>
                  Look for it among <a href="/checkpoints">all checkpoints</a>; the first one is sealed when its period
                  has ended.
                </>
              }
            />
          ) : (
            <Waiting error={checkpoint.error} rows={8} />
          )}
        </Section>
      </main>
    </>
  );
};
