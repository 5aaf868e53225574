// Makes the participant's instance and calls its methods.
import { findClass } from "./host_class.mjs";
import { CODE, decode, encode, Refusal, text } from "./host_values.mjs";

const SAME = new Map([
  ["tick", "feed_update"],
  ["feed_update", "tick"],
]);

/** The words of whatever was thrown, which may fail at that, too. */
function describe(thrown) {
  try {
    return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  } catch {
    return "something that has no words";
  }
}
function log(thrown) {
  try {
    console.error(thrown);
  } catch {
    // the model's own console
  }
}

/** Positional arguments, and behind them one object with the keywords, if there are any. */
const values = ({ args, kwargs }) => {
  const given = args.map(([type, data]) => decode(type, data));
  return kwargs.length === 0
    ? given
    : [...given, Object.fromEntries(kwargs.map(([key, [type, data]]) => [key, decode(type, data)]))];
};

/** A method of the class or its parents; nothing that every object has, nothing with an underscore. */
function ownMethod(instance, name) {
  if (name.startsWith("_") || name === "constructor") return undefined;
  for (let at = instance; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at))
    if (Object.hasOwn(at, name)) return typeof instance[name] === "function" ? instance[name] : undefined;
  return undefined;
}

export class Model {
  #folders;
  #instance;

  constructor(folders) {
    this.#folders = folders;
  }

  async setup(call) {
    const name = call.name.trim();
    if (this.#instance !== undefined) return text(CODE.OK, "Instance already exists");
    if (name === "") return text(CODE.INVALID_ARGUMENT, "class_name cannot be empty");
    try {
      const { code, main, packages } = this.#folders;
      const given = values(call);
      const Found = await findClass(code, main, packages, name);
      this.#instance = new Found(...given);
      return text(CODE.OK, "Instance created successfully");
    } catch (thrown) {
      if (thrown instanceof Refusal) return text(thrown.code, thrown.message);
      log(thrown);
      return text(CODE.SETUP_FAILED, describe(thrown));
    }
  }

  rest() {
    const existed = this.#instance !== undefined;
    this.#instance = undefined;
    return text(CODE.OK, existed ? "Instance successfully reset" : "No instance exists to reset");
  }

  async call(call) {
    const instance = this.#instance;
    if (instance === undefined) return text(CODE.NOT_SET_UP, "Setup has not been called yet");
    if (call.name === "") return text(CODE.INVALID_ARGUMENT, "methodName cannot be empty");
    try {
      const method = ownMethod(instance, call.name) ?? ownMethod(instance, SAME.get(call.name) ?? "");
      if (method === undefined)
        return text(CODE.NO_METHOD, `Method "${call.name}" not found in class "${instance.constructor?.name}"`);
      const answer = encode(await method.apply(instance, values(call)));
      return { code: CODE.OK, ...answer };
    } catch (thrown) {
      if (thrown instanceof Refusal) return text(thrown.code, thrown.message);
      log(thrown);
      return text(CODE.FAILED, `The model raised an exception: ${describe(thrown)}`);
    }
  }
}
