import type { MultipartFile } from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { HttpProblem } from "./http-problem.ts";
import { quoted, UploadError } from "./submission-files.ts";
import type { IncomingSubmission, Submissions } from "./submissions.ts";

const id = z.string().regex(/^[\w.:@-]{1,128}$/, "letters, digits and _ . : @ -, at most 128");
const name = z
  .string()
  .trim()
  .min(1, "may not be empty")
  .max(128, "at most 128 characters")
  .regex(/^\P{C}*$/u, "may not have control characters");
const state = z
  .string()
  .toUpperCase()
  .pipe(z.enum(["RUNNING", "STOPPED"]));
const flag = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);

export const newModel = z.object({
  desired_state: state.default("RUNNING"),
  model_name: name.optional(),
  cruncher_id: id.optional(),
  cruncher_name: name.optional(),
  /** ignored, as by the public orchestrator: a node runs one crunch */
  crunch_id: z.string().optional(),
});
export const modelChange = z.object({
  desired_state: state.optional(),
  model_name: name.optional(),
  cruncher_name: name.optional(),
  /** with RUNNING: another chance for a submission that is in quarantine */
  force: flag.optional(),
});

/** @throws HttpProblem naming the field */
export function parseFields<T extends z.ZodObject>(shape: T, fields: Readonly<Record<string, unknown>>): z.output<T> {
  const parsed = shape.strict().safeParse(fields);
  if (parsed.success) return parsed.data as z.output<T>;
  const issue = parsed.error.issues[0];
  const field = issue?.code === "unrecognized_keys" ? (issue.keys[0] ?? "") : (issue?.path.join(".") ?? "");
  const known = Object.keys(shape.shape).join(", ");
  const why = issue?.code === "unrecognized_keys" ? `is unknown; the fields are ${known}, files` : issue?.message;
  throw new HttpProblem(422, "invalid", `${field === "" ? "the body" : field}: ${why}`, field);
}

/** Whole size of an upload: 200 MiB of files and their heads. */
export const MULTIPART_LIMITS = {
  fieldNameSize: 100,
  fieldSize: 1_024,
  fields: 10,
  files: 2_000,
  parts: 2_010,
  fileSize: (200 << 20) + 1,
  headerPairs: 20,
};

/** What a multipart request holds: its fields, and the hash of its files; null: there were none. */
export async function receiveUpload(
  request: FastifyRequest,
  submissions: Submissions,
): Promise<{ fields: Record<string, string>; submission: string | null }> {
  const incoming = await submissions.receive();
  try {
    const fields: Record<string, string> = {};
    let files = 0;
    for await (const part of request.parts()) {
      if (part.type === "file") {
        await takeFile(incoming, part);
        files++;
      } else {
        if (part.fieldnameTruncated || part.valueTruncated)
          throw new HttpProblem(422, "invalid", `${quoted(part.fieldname)} is too long`, part.fieldname.slice(0, 100));
        fields[part.fieldname] = String(part.value);
      }
    }
    return { fields, submission: files === 0 ? null : await incoming.store() };
  } finally {
    await incoming.discard();
  }
}

async function takeFile(incoming: IncomingSubmission, { file, filename, fieldname }: MultipartFile): Promise<void> {
  file.on("error", () => undefined); // a sender that goes away is told by the parser
  if (fieldname !== "files")
    throw new UploadError(`Files come in the field "files", not in ${quoted(fieldname)}.`, fieldname.slice(0, 100));
  const taken = await incoming.add(filename, async () => file);
  if (!taken) file.resume();
  if (file.truncated) throw new UploadError("A submission has at most 200 MiB.");
}
