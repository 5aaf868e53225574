import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openContainerChannel, removeContainerChannels, SOCKET_NAME } from "./container-channel.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "almanac-channel-"));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const dial = async (path: string): Promise<Socket> => {
  const connection = connect(path);
  await once(connection, "connect");
  return connection;
};

test("takes a leash and a channel, then its socket is gone", async () => {
  const channel = await openContainerChannel(parent);
  const path = join(channel.folder, SOCKET_NAME);
  expect(statSync(path).mode & 0o777).toBe(0o666);
  const leash = await dial(path);
  const host = await dial(path);
  const ours = await channel.connected;
  ours.write("to the host");
  expect(String((await once(host, "data"))[0])).toBe("to the host");
  host.write("to the runner");
  expect(String((await once(ours, "data"))[0])).toBe("to the runner");
  expect(existsSync(path)).toBe(false);
  await expect(dial(path)).rejects.toThrow(/ENOENT/);

  const ended = Promise.all([once(leash.resume(), "end"), once(host.resume(), "end")]);
  await channel.close();
  await ended;
  expect(readdirSync(parent)).toEqual([]);
});

test("closed before anybody came, it leaves nothing", async () => {
  const channel = await openContainerChannel(parent);
  await channel.close();
  expect(readdirSync(parent)).toEqual([]);
});

test("a path that no socket can have is refused with the cure, and leaves nothing", async () => {
  const deep = mkdtempSync(join(parent, "x".repeat(100)));
  await expect(openContainerChannel(deep)).rejects.toThrow(
    /at most 107\. Set ALMANAC_DIR or TMPDIR to a shorter folder/,
  );
  expect(readdirSync(deep)).toEqual([]);
});

test("what a killed runner left is removed, and nothing else", async () => {
  const left = await openContainerChannel(parent);
  const other = mkdtempSync(join(parent, "other-"));
  await removeContainerChannels(parent);
  expect(readdirSync(parent).map((name) => join(parent, name))).toEqual([other]);
  await left.close();
});
