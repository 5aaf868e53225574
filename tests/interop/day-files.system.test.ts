import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pino } from "pino";
import { expect, test } from "vitest";
import { dayRow } from "../../activities/day-file.ts";
import { createDayFolder } from "../../activities/day-folder.ts";
import { publicPackages } from "./venv.ts";

const DAY = Date.UTC(2026, 0, 15);
const stream = { source: "binance", subject: "BTC", kind: "candle", granularity: "1m" };
const packages = await publicPackages();

test.skipIf("missing" in packages)(
  "pyarrow and pandas read a day file as what it says it is",
  async () => {
    const root = mkdtempSync(join(tmpdir(), "almanac-day-python-"));
    const folder = createDayFolder({ root, exclusively: (work) => work(), log: pino({ level: "silent" }) });
    const rows = Array.from({ length: 1_440 }, (_, i) =>
      dayRow({
        ...{ ...stream, tsEvent: DAY + i * 60_000, eventId: "", meta: { segment: "1" } },
        values: { open: 1, high: 2, low: 0.5, close: 100 + i / 7, ...(i % 2 === 0 ? { volume: 5 } : {}), trades: i },
      }),
    );
    async function* chunks() {
      yield rows.slice(0, 1_000);
      yield rows.slice(1_000);
    }
    const entry = await folder.fileDay(stream, DAY, chunks());
    const python = (packages as { client: string }).client;
    const script = join(import.meta.dirname, "python/read_day_file.py");
    const { stdout } = await promisify(execFile)(python, [script, join(root, entry!.path)]);
    rmSync(root, { recursive: true, force: true });
    expect(JSON.parse(stdout)).toEqual({
      schema: {
        ts_event: "timestamp[us, tz=UTC]",
        ...{ source: "string", subject: "string", kind: "string", granularity: "string" },
        ...{ open: "double", high: "double", low: "double", close: "double", volume: "double", meta: "string" },
      },
      rows: 1_440,
      dtype: "datetime64[us, UTC]",
      first: ["2026-01-15T00:00:00+00:00", 100, { segment: "1", trades: 0 }],
      sum: expect.closeTo(
        rows.reduce((sum, row) => sum + row.close!, 0),
        6,
      ),
      missing: 720,
      day: expect.stringContaining("1440"),
    });
  },
  600_000,
);
