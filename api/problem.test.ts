import { expect, it } from "vitest";
import { conflict, failureOf, notFound } from "./problem.ts";

const coded = (code: string, message = "") => Object.assign(new Error(message), { code });

it.each([
  ["an answer of ours", notFound("no round x"), 404, "no round x"],
  ["a conflict", conflict("not now"), 409, "not now"],
  ["a refused connection", coded("ECONNREFUSED"), 503, "the database does not answer; see /readyz"],
  [
    "a server that shuts down",
    coded("57P01", "terminating connection"),
    503,
    "the database does not answer; see /readyz",
  ],
  [
    "a pool without a connection",
    new Error("timeout exceeded when trying to connect"),
    503,
    "the database does not answer; see /readyz",
  ],
  [
    "a query that is too slow",
    coded("57014"),
    503,
    "the query took longer than the database allows: ask for a shorter range or a smaller limit",
  ],
  [
    "a body that is too large",
    Object.assign(coded("FST_ERR_CTP_BODY_TOO_LARGE", "Request body is too large"), { statusCode: 413 }),
    413,
    "Request body is too large",
  ],
  [
    "anything else, without its text",
    new Error("secret inside"),
    500,
    "something failed inside the node; its log has the cause under this trace id",
  ],
])("%s", (_name, error, status, detail) => {
  expect(failureOf(error)).toMatchObject({ status, detail });
});
