import type { BundleDeps } from "../activities/bundle.ts";
import type { Signer } from "../chain/signer.ts";
import { evidenceFolderOf } from "../config.ts";
import packageJson from "../package.json" with { type: "json" };
import { toHex } from "../proofs/hash.ts";
import type { RoleContext } from "./context.ts";
import { noteSigner } from "./note-signer.ts";

/** Where evidence goes, and whose key its notes are signed with. */
export const bundleDeps = ({ config, db, log }: RoleContext, signer: Signer): BundleDeps => ({
  ...{ db, log, folder: evidenceFolderOf(config), signer: toHex(noteSigner(signer).publicKey) },
  versions: { almanac: packageJson.version },
});
