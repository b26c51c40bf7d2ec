/**
 * What a client may send. A message that does not match is refused before it changes anything: a request with JSON-RPC's error
 * for invalid parameters, a notification with a line in the log.
 */

import { ErrorCodes, ResponseError } from 'vscode-languageserver';
import * as z from 'zod';
import { invalidValue } from '../platform/invalid-value.ts';
import { nextEditModes } from '../protocol/next-edits.ts';
import type { RuntimeSettings } from '../protocol/runtime.ts';

const position = { line: z.int().nonnegative(), character: z.int().nonnegative() };
const count = z.int().positive();
const range = z.looseObject({ start: z.looseObject(position), end: z.looseObject(position) });

/** References of one name that a client may send. */
const mostReferences = 10_000;

export const inlineCompletion = z.looseObject({
  textDocument: z.looseObject({ uri: z.string() }),
  position: z.looseObject(position),
  context: z.looseObject({
    triggerKind: z.int(),
    selectedCompletionInfo: z
      .looseObject({
        text: z.string(),
        range,
      })
      .nullish(),
  }),
});
export const acceptedSuggestion = z.looseObject({ request: z.number(), alternative: z.int().nonnegative() });
export const restingCursor = z.looseObject({ uri: z.string(), ...position });
export const snooze = z.looseObject({ until: z.number().nullable() });
export const watchCompletions = z.looseObject({ on: z.boolean() });
export const denoiseParameters = z.looseObject({ uri: z.string(), ...position, seed: z.number(), alternatives: count });
export const sampleDenoising = z.looseObject({
  dir: z.string(),
  step: z.int().nonnegative(),
  index: z.int().nonnegative(),
});
export const nextEdit = z.looseObject({
  textDocument: z.looseObject({ uri: z.string(), version: z.int() }),
  trigger: z.enum(['automatic', 'invoked']),
  references: z.looseObject({ version: z.int(), ranges: z.array(range).max(mostReferences) }).exactOptional(),
});
export const settings = z.looseObject({
  model: z.string(),
  engine: z.string(),
  device: z.string(),
  nextEdits: z.enum(nextEditModes).exactOptional(),
  completions: z.looseObject({
    enabled: z.boolean(),
    languages: z.record(z.string(), z.boolean()),
    multiline: z.enum(['auto', 'always', 'never']),
    inCommentsAndStrings: z.boolean(),
    debounce: z.number().nonnegative(),
    alternatives: count,
    contextTokens: count,
    contextRefresh: count,
    threshold: z.number(),
    prefetch: z.boolean(),
    copies: z.boolean(),
    eagerness: z.enum(['always', 'eager', 'balanced', 'careful']),
  }),
  copyFolders: z.exactOptional(z.array(z.string())),
}) satisfies z.ZodType<RuntimeSettings>;

/** Checks messages, and whether the client has initialized the server. */
export class ClientMessages {
  readonly #log: (line: string) => void;
  readonly #onMessage: () => void;
  #isInitialized = false;

  /**
   * @param log receives one line about each notification that is ignored
   * @param onMessage is called for each request and each notification
   */
  constructor(log: (line: string) => void, onMessage: () => void = () => undefined) {
    this.#log = log;
    this.#onMessage = onMessage;
  }

  /** Notes the request `initialize`. Throws JSON-RPC's error for an invalid request if it is not the first one. */
  initialize(): void {
    if (this.#isInitialized)
      throw new ResponseError(ErrorCodes.InvalidRequest, 'The server is initialized already; initialize is sent once.');
    this.#isInitialized = true;
  }

  /** Wraps the handler of a request; `schema` is absent if it has no parameters. */
  request<Parameters, Rest extends readonly unknown[], Result>(
    schema: z.ZodType | null,
    handle: (parameters: Parameters, ...rest: Rest) => Result,
  ): (parameters: Parameters, ...rest: Rest) => Result {
    return (parameters, ...rest) => {
      this.#onMessage();
      if (!this.#isInitialized)
        throw new ResponseError(
          ErrorCodes.ServerNotInitialized,
          'The server is not initialized; send initialize first.',
        );
      const problem = schema === null ? null : problemOf(schema, parameters);
      if (problem !== null) throw new ResponseError(ErrorCodes.InvalidParams, `Invalid parameters: ${problem}.`);
      return handle(parameters, ...rest);
    };
  }

  /** Wraps the handler of a notification. */
  notification<Parameters>(
    name: string,
    schema: z.ZodType,
    handle: (parameters: Parameters) => void | Promise<void>,
  ): (parameters: Parameters) => void | Promise<void> {
    return (parameters) => {
      this.#onMessage();
      const problem = this.#isInitialized ? problemOf(schema, parameters) : 'the server is not initialized';
      if (problem === null) return handle(parameters);
      this.#log(`The notification ${name} was ignored: ${problem}.`);
    };
  }
}

function problemOf(schema: z.ZodType, value: unknown): string | null {
  const parsed = schema.safeParse(value, { error: invalidValue });
  if (parsed.success) return null;
  const { path, message } = parsed.error.issues[0]!;
  return `${path.length === 0 ? 'the message' : path.join('.')} ${message}`;
}
