import { type PeerCheckpoint, PeerHttpError, peerCliFormat, peerHead, peerPrizes, peerRewards } from "./checkpoints.ts";

type Answer = (checkpoint: PeerCheckpoint, query: URLSearchParams) => unknown;
const totalPrize = (query: URLSearchParams): number => Number(query.get("total_prize") ?? 0);
const emissionOf: Answer = ({ entries }) => {
  if (!entries[0]) throw new PeerHttpError(404, "No emission data in checkpoint");
  return entries[0];
};

const OF_ALL: Readonly<Record<string, Answer>> = {
  "/reports/checkpoints/latest": (checkpoint) => checkpoint,
  "/reports/checkpoints/rewards": (checkpoint) => peerRewards(checkpoint),
};
const OF_ONE: Readonly<Record<string, Answer>> = {
  payload: (checkpoint) => {
    const { status: _, ...head } = peerHead(checkpoint);
    return { ...head, entries: checkpoint.entries };
  },
  emission: emissionOf,
  "emission/cli-format": (checkpoint) => peerCliFormat(checkpoint),
  prizes: (checkpoint, query) => peerPrizes(checkpoint, totalPrize(query)),
};

/**
 * GET of the public node's checkpoint routes, where `latest` is the only checkpoint there is. `…/{id}/prizes` is declared before `…/latest/prizes`
 * and takes its requests, looking for a checkpoint of the id "latest".
 */
export function peerGet(path: string, latest: PeerCheckpoint): { status: number; body: unknown } {
  const { pathname, searchParams } = new URL(path, "http://peer");
  try {
    return { status: 200, body: answerOf(pathname)(latest, searchParams) };
  } catch (error) {
    if (!(error instanceof PeerHttpError)) throw error;
    return { status: error.status, body: { detail: error.message } };
  }
}

function answerOf(pathname: string): Answer {
  const ofAll = OF_ALL[pathname];
  if (ofAll) return ofAll;
  const [, id, what] = /^\/reports\/checkpoints\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
  const ofOne = OF_ONE[what ?? ""];
  if (!ofOne) throw new PeerHttpError(404, "Not Found");
  return (checkpoint, query) => {
    if (checkpoint.id !== id) throw new PeerHttpError(404, "Checkpoint not found");
    return ofOne(checkpoint, query);
  };
}
