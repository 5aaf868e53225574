import { useEffect, useRef, useState } from "react";
import type { Step } from "../../proofs/verify/verify.ts";
import type { VerifyMessage } from "../verify-worker.ts";

type End = Exclude<VerifyMessage, { kind: "step" }>;

/** Takes the checkpoint's evidence from the node and checks it here, by the same code as `almanac verify`. */
export const VerifyBundle = ({ id }: { id: string }) => {
  const url = `/v1/checkpoints/${encodeURIComponent(id)}/bundle`;
  const { steps, end, isRunning, start } = useVerification(url);
  return (
    <section className="verify" aria-label="Evidence">
      <p>
        <button type="button" onClick={start} disabled={isRunning}>
          Verify in this browser
        </button>{" "}
        <a href={url} download>
          evidence bundle
        </a>
      </p>
      <ol aria-live="polite">
        {steps.map((step) => (
          <li key={step.name}>
            ✔ <strong>{step.name}</strong> {step.text}
          </li>
        ))}
        {end ? <Ending end={end} /> : null}
      </ol>
    </section>
  );
};

const Ending = ({ end }: { end: End }) => {
  if (end.kind === "good")
    return (
      <>
        {end.given.map((sentence) => (
          <li key={sentence} className="faint">
            – {sentence}
          </li>
        ))}
        <li className="faint">
          – the chain was not looked at, and that <code>{end.signer}</code> is the submitter's key is taken as given:{" "}
          <code>almanac verify</code> does both and computes the scores again
        </li>
      </>
    );
  return (
    <li role="alert">
      ✘ {end.kind === "failed" ? "It could not be checked: " : ""}
      {end.message}
    </li>
  );
};

function useVerification(url: string) {
  const [steps, setSteps] = useState<Step[]>([]);
  const [end, setEnd] = useState<End | null>(null);
  const [isRunning, setRunning] = useState(false);
  const worker = useRef<Worker | null>(null);
  useEffect(() => () => worker.current?.terminate(), []);
  const finish = (last: End): void => {
    setEnd(last);
    setRunning(false);
    worker.current?.terminate();
  };
  const start = (): void => {
    worker.current?.terminate();
    setSteps([]);
    setEnd(null);
    setRunning(true);
    const started = new Worker(new URL("../verify-worker.ts", import.meta.url), { type: "module" });
    worker.current = started;
    started.onmessage = ({ data }: MessageEvent<VerifyMessage>) =>
      data.kind === "step" ? setSteps((found) => [...found, data.step]) : finish(data);
    started.onerror = ({ message }) => finish({ kind: "failed", message });
    started.postMessage({ url });
  };
  return { steps, end, isRunning, start };
}
