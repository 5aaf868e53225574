/** A tournament round's life: stored, being asked, asked, all features scored, nothing can change any more. */
export const TOURNAMENT_NEXT = {
  OPEN: ["INFERRING"],
  INFERRING: ["CLOSED"],
  CLOSED: ["SCORED"],
  SCORED: ["FINAL"],
  FINAL: [],
} as const satisfies Record<string, readonly string[]>;

export type TournamentStatus = keyof typeof TOURNAMENT_NEXT;

/** What the public routes call it; `inferring` is ours: the public node answers only when all is done. */
export type PublicTournamentStatus = "not_found" | "inferring" | "inference_complete" | "partial" | "scored";

/** `truths`: features whose truth was posted; `open`: features that can still change. A round with some truths is partial until none is open. */
export function publicTournamentStatus(
  status: TournamentStatus,
  { truths, open }: { truths: number; open: number },
): PublicTournamentStatus {
  if (status === "OPEN" || status === "INFERRING") return "inferring";
  if (open === 0) return "scored";
  return truths === 0 ? "inference_complete" : "partial";
}

/** Ids of tournament rounds: they are parts of keys and addresses. */
export const TOURNAMENT_ID = /^[\w.:-]{1,64}$/;

/** The scope of a tournament round's features; the slash keeps it apart from every scope of a schedule. */
export const tournamentScopeKey = (id: string): string => `tournament/${id}`;

/** Features are due one millisecond after the other: their order, and a due time of its own for each. */
export const featureDue = (createdMs: number, featureIndex: number): number => createdMs + featureIndex;

/** A truth may take as long as it likes: until it is posted, its round resolves here. */
export const TRUTH_OPEN_MS = Date.UTC(9999, 0, 1);
