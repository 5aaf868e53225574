import { argumentValue, featureFields } from "../competitions/call-arguments.ts";
import type { CallArgument, Competition, MarketRecord, Scope } from "../competitions/competition.ts";
import type { FleetCall } from "../models/client/fleet.ts";

/** The key lets a model that has this record already, from another round, be spared a second delivery. */
export const tickCall = (
  competition: Competition,
  subject: string,
  input: unknown,
  newest: MarketRecord,
): FleetCall => ({
  method: competition.tickMethod,
  args: [{ type: "JSON", value: input }],
  key: `${subject}/${newest.tsEvent}`,
});

/** What models are shown, under the name by which they know the subject. */
export const inputFor = (
  competition: Pick<Competition, "buildInput" | "subjectNames">,
  subject: string,
  asOfMs: number,
  records: readonly MarketRecord[],
): unknown => competition.buildInput(competition.subjectNames?.[subject] ?? subject, asOfMs, records);

const VARIANT: Record<CallArgument["type"], "STRING" | "INT" | "DOUBLE" | "JSON"> = {
  STRING: "STRING",
  INT: "INT",
  FLOAT: "DOUBLE",
  JSON: "JSON",
};

export const predictCall = (competition: Competition, scope: Scope): FleetCall => ({
  method: competition.call.method,
  args: competition.call.args.map(({ name, type }) => ({
    type: VARIANT[type],
    value: argumentValue(name, scope, competition.subjectNames),
  })),
});

/** One feature of a tournament round, as posted. */
export interface Feature {
  tournamentId: string;
  index: number;
  features: Readonly<Record<string, unknown>>;
}

export const featureCall = (competition: Competition, feature: Feature): FleetCall => ({
  method: competition.call.method,
  args: competition.call.args.map(({ name, type }) => ({
    type: VARIANT[type],
    value: argumentValue(name, featureFields(feature.tournamentId, feature.index, feature.features)),
  })),
});
