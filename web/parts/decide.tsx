import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import type { CheckpointView } from "../../api/contract/checkpoints.ts";
import type { NodeInfo } from "../../api/contract/node.ts";
import { type DecisionAnswer, decide } from "../client.ts";

type Open = CheckpointView["open_decisions"][number];
const WORDS: Record<Open, { label: string; what: string }> = {
  approve: { label: "Approve", what: "It is submitted, and its crunchers are paid." },
  retry: { label: "Retry", what: "It goes on where it stopped; what is on chain already is not done again." },
  retryBlocked: { label: "Retry submission", what: "It looks again whether what blocked it is gone." },
  void: { label: "Void", what: "It ends here: nobody is paid by it." },
};

interface DecideProps {
  checkpoint: CheckpointView;
  info: NodeInfo;
}

/** What a person may decide now: by a click on LOCAL, elsewhere by a command that signs it with an approver's key. */
export const Decide = ({ checkpoint, info }: DecideProps) => {
  if (checkpoint.open_decisions.length === 0) return null;
  return (
    <section className="decide" aria-label="Decide">
      {info.network === "LOCAL" ? (
        <Buttons key={`${checkpoint.id}-${checkpoint.version}`} checkpoint={checkpoint} />
      ) : (
        <Commands checkpoint={checkpoint} network={info.network} />
      )}
    </section>
  );
};

const Commands = ({ checkpoint, network }: { checkpoint: CheckpointView; network: string }) => (
  <>
    <p>On {network} an approver's key decides. On the machine that holds it:</p>
    <ul className="commands">
      {checkpoint.open_decisions.map((action) => (
        <li key={action}>
          <code>{commandOf(checkpoint.id, action)}</code>
          <span className="faint"> {WORDS[action].what}</span>
        </li>
      ))}
    </ul>
  </>
);

function commandOf(id: string, action: Open): string {
  const reason = action === "void" ? ' --reason "…"' : "";
  const verb = action === "retryBlocked" ? "retry" : action;
  return `almanac checkpoint ${verb} ${id}${reason} --key <key file> --node ${location.origin}`;
}

/** One set a version of the checkpoint: its keys make a second click the first one's. */
const Buttons = ({ checkpoint }: { checkpoint: CheckpointView }) => {
  const { id, version, open_decisions: open } = checkpoint;
  const queries = useQueryClient();
  const keys = useRef<Partial<Record<Open, string>>>({});
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ bad: boolean; text: string } | null>(null);
  const send = async (action: Open) => {
    keys.current[action] ??= randomKey();
    setBusy(true);
    const body = { actor: "page", ...(reason.trim() ? { reason: reason.trim() } : {}) };
    await decide({ id, version, action, key: keys.current[action], body })
      .then(
        (answer) => setSaid({ bad: false, text: sentenceOf(answer) }),
        (error: Error) => setSaid({ bad: true, text: error.message }),
      )
      .finally(() => setBusy(false));
    await queries.invalidateQueries();
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { submitter } = event.nativeEvent as SubmitEvent;
    const action = open.find((name) => name === submitter?.getAttribute("value"));
    if (action === "void" && reason.trim() === "") return setSaid({ bad: true, text: "Void wants a reason." });
    if (action) void send(action);
  };
  return (
    <form onSubmit={submit}>
      <label>
        <span>Reason</span>
        <input value={reason} onChange={(event) => setReason(event.target.value)} maxLength={500} name="reason" />
      </label>
      {open.map((action) => (
        <button
          key={action}
          type="submit"
          value={action}
          disabled={busy}
          title={WORDS[action].what}
          className={action === "void" ? "danger" : ""}
        >
          {WORDS[action].label}
        </button>
      ))}
      <p className={said?.bad ? "warn-text" : "faint"} role="status">
        {said?.text ?? open.map((action) => `${WORDS[action].label}: ${WORDS[action].what}`).join(" ")}
      </p>
    </form>
  );
};

const sentenceOf = ({ id, phase, waits_for }: DecisionAnswer): string =>
  `${id} is ${phase.toLowerCase().replaceAll("_", " ")}${waits_for ? `; it waits for ${waits_for}` : ""}.`;

/** crypto.randomUUID exists on secure origins only. */
const randomKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
