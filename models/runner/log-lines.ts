import { StringDecoder } from "node:string_decoder";
import type { ModelLog } from "./log-drain.ts";

const MAX_LINE = 16 << 10;

/** The same log, whose lines are also handed over as they come, cut at 16 KiB. Stdout and stderr keep their own lines. */
export function withLines(log: ModelLog, onLine: (line: string) => void): ModelLog {
  return {
    text: log.text,
    droppedBytes: log.droppedBytes,
    drain(stream) {
      log.drain(stream);
      const decoder = new StringDecoder("utf8");
      let open = "";
      stream.on("data", (chunk: Buffer) => {
        const lines = (open + decoder.write(chunk)).split("\n");
        open = lines.pop() ?? "";
        for (const line of lines) onLine(line.slice(0, MAX_LINE));
        for (; open.length > MAX_LINE; open = open.slice(MAX_LINE)) onLine(open.slice(0, MAX_LINE));
      });
      stream.once("close", () => {
        const last = open + decoder.end();
        if (last !== "") onLine(last);
      });
    },
  };
}
