import { type Address, address, type EncodedAccount, getBase64Encoder, lamports } from "@solana/kit";
import type { LiteSVM } from "litesvm";
import type { StoredAccount } from "./store.ts";
import { base58, base64, type Message } from "./transaction.ts";

export const SYSTEM_PROGRAM = "11111111111111111111111111111111";
const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";

export function readAccount(svm: LiteSVM, key: string): StoredAccount {
  const account = svm.getAccount(key as Address);
  if (!account.exists) return null;
  return [String(account.lamports), account.programAddress, base64(new Uint8Array(account.data)), account.executable];
}

export function writeAccount(svm: LiteSVM, key: string, account: StoredAccount): void {
  const [amount, owner, encoded, executable] = account ?? ["0", SYSTEM_PROGRAM, "", false]; // 0 lamports: no account
  const data = Uint8Array.from(getBase64Encoder().encode(encoded));
  const next: EncodedAccount = {
    address: address(key),
    lamports: lamports(BigInt(amount)),
    programAddress: address(owner),
    executable,
    space: BigInt(data.length),
    data,
  };
  svm.setAccount(next);
}

/** The accounts of a message that its transaction may change: sysvars and programs are not among them. */
export const writableKeys = ({ staticAccounts, header }: Message): string[] =>
  staticAccounts.filter((_, i) =>
    i < header.numSignerAccounts
      ? i < header.numSignerAccounts - header.numReadonlySignerAccounts
      : i < staticAccounts.length - header.numReadonlyNonSignerAccounts,
  );

export const lamportsOf = (account: StoredAccount): bigint => BigInt(account?.[0] ?? "0");

// Layout of a token account (165 bytes): mint 32, owner 32, amount u64; a mint has its decimals at 44.
const TOKEN_ACCOUNT_BYTES = 165;
const OWNER_AT = 32;
const AMOUNT_AT = 64;
const DECIMALS_AT = 44;

/** Writable token accounts among `keys`, as getTransaction shows them. */
export function tokenBalances(
  svm: LiteSVM,
  keys: readonly string[],
  writable: ReadonlySet<string>,
): Record<string, unknown>[] {
  return keys.flatMap((key, accountIndex) => {
    if (!writable.has(key)) return [];
    const [, programId, encoded] = readAccount(svm, key) ?? [];
    const data = Buffer.from(encoded ?? "", "base64");
    if (programId !== TOKEN_PROGRAM || data.length !== TOKEN_ACCOUNT_BYTES) return [];
    const [mint, owner] = [base58(data.subarray(0, OWNER_AT)), base58(data.subarray(OWNER_AT, AMOUNT_AT))];
    const decimals = Buffer.from(readAccount(svm, mint)?.[2] ?? "", "base64")[DECIMALS_AT] ?? 0;
    return [
      { accountIndex, mint, owner, programId, uiTokenAmount: tokenAmount(data.readBigUInt64LE(AMOUNT_AT), decimals) },
    ];
  });
}

function tokenAmount(amount: bigint, decimals: number): Record<string, unknown> {
  const unit = 10n ** BigInt(decimals);
  const fraction = String(amount % unit)
    .padStart(decimals, "0")
    .replace(/0+$/, "");
  const uiAmountString = decimals === 0 || fraction === "" ? String(amount / unit) : `${amount / unit}.${fraction}`;
  return { amount: String(amount), decimals, uiAmount: Number(uiAmountString), uiAmountString };
}
