import { InvalidArgumentError } from "commander";

export const CLIENT_HELP = `
One JSON object a line. Standard input:
  {"op":"call","method":"predict","args":[["STRING","BTC"],["INT",60],["JSON",{}]],"kwargs":{"step":["INT",15]}}
      optional: "models":["id", ...] (absent: all that are connected), "timeout":seconds
  {"op":"models"}
  {"op":"exit"}   (or the end of input)
Types: NONE DOUBLE INT STRING JSON, and PARQUET ARROW with a table: {"column":[values, ...]} or the base64 of its file.
Standard output: {"ready":true}, then one line a command:
  {"results":[{"model_id","deployment_id","status","result","exec_time_us","model_name","cruncher_name","cruncher_id","detail"}]}
      status SUCCESS, FAILURE or TIMEOUT; a call that was not made is a TIMEOUT with detail PREEMPTIVE_SKIP
  {"models":[{"model_id","deployment_id","model_name","cruncher_name","cruncher_id","state","address"}]}
  {"error":"..."} to a line that cannot be understood; the next line is read.
Integers keep all their digits both ways; tables come out as columns. Logs go to standard error. Absent flags come from the settings.`;

/** A number on the command line. @throws InvalidArgumentError */
export const numberFlag =
  (least: number, whole: boolean) =>
  (text: string): number => {
    const number = Number(text);
    if (text.trim() === "" || !Number.isFinite(number) || number < least || (whole && !Number.isInteger(number)))
      throw new InvalidArgumentError(`It must be a ${whole ? "whole " : ""}number, ${least} or more.`);
    return number;
  };
