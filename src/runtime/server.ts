import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type CancellationToken,
  type Connection,
  type InlineCompletionItem,
  InlineCompletionTriggerKind,
  ResponseError,
  TextDocumentSyncKind,
  TextDocuments,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { listModels } from '../catalogue/list-models.ts';
import { type InfillHooks, infill } from '../diffusion/infill.ts';
import { messageOf } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import { defaultSettings } from '../protocol/default-settings.ts';
import * as protocol from '../protocol/runtime.ts';
import { type CompletionParts, type CompletionQuery, Completions } from './completions.ts';
import { endOf, queryAt } from './cursor-query.ts';
import { denoiseHere } from './denoise-here.ts';
import { frameOf, withoutEnd } from './frame.ts';
import { MemoryArbiter } from './memory-arbiter.ts';
import { ModelResidency } from './model-residency.ts';
import { denoisingOfSample } from './sample-denoising.ts';
import { Scheduler } from './scheduler.ts';

/** LSP's error code `RequestFailed`: the message is shown to the user. */
const requestFailed = -32803;
/** JSON-RPC's error code for invalid parameters. */
const invalidParameters = -32602;

/** Characters before the cursor that `completionFrame` carries. */
const prefixTailLength = 400;

/** What the client decides, and can change at any time. */
interface ClientState {
  settings: protocol.RuntimeSettings;
  /** Milliseconds since 1970; null: completions are not snoozed. */
  snoozedUntil: number | null;
  /** Whether the panel wants the steps of every completion. */
  watching: boolean;
}

/** One client's connection and everything that answers it. */
interface Session {
  readonly connection: Connection;
  readonly documents: TextDocuments<TextDocument>;
  readonly state: ClientState;
  readonly residency: ModelResidency;
  readonly scheduler: Scheduler;
  readonly completions: Completions;
  readonly sendStatus: () => void;
}

/**
 * Runs the language server on a connection: completions as in LSP 3.18, all other messages as in
 * `src/protocol/runtime.ts`. Tests pass `infiller` to replace the model.
 */
export function serve(connection: Connection, infiller?: CompletionParts['infill']): void {
  const documents = new TextDocuments(TextDocument);
  const state: ClientState = { settings: defaultSettings, snoozedUntil: null, watching: false };
  const arbiter = new MemoryArbiter();
  const scheduler = new Scheduler();
  const sendStatus = () => {
    const status: protocol.RuntimeStatus = {
      ...residency.residency,
      model: state.settings.model,
      latency: completions.latency.summary,
    };
    void connection.sendNotification(protocol.statusChanged, status);
  };
  const residency = new ModelResidency(state.settings, sendStatus, arbiter.memoryShortage, (sentence) =>
    connection.console.warn(sentence),
  );
  const completions = new Completions({
    turns: scheduler,
    settings: () => state.settings.completions,
    snoozedUntil: () => state.snoozedUntil,
    infill: infiller ?? (async (request, hooks) => infill(await residency.get(), request, hooks)),
    now: () => Date.now(),
    wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
    watcher: (query, request) => (state.watching && request >= 0 ? frameSender(connection, query, request) : null),
  });
  const session: Session = { connection, documents, state, residency, scheduler, completions, sendStatus };

  arbiter.follow(() => {
    const reconsidered = scheduler.run('invoked', new AbortController().signal, () => residency.reconsider());
    reconsidered.catch((error: unknown) => connection.console.error(messageOf(error)));
  });
  connection.onInitialize(() => ({
    serverInfo: { name: 'unmask', version: packageVersion() },
    capabilities: { textDocumentSync: TextDocumentSyncKind.Incremental, inlineCompletionProvider: {} },
  }));
  connection.onInitialized(sendStatus);
  connection.onExit(() => arbiter.close());
  answerCompletions(session);
  followClientState(session);
  answerDenoising(session);
  connection.onRequest(protocol.lastCompletion, () => completions.last);
  connection.onRequest(protocol.listModels, () => listModels());

  documents.listen(connection);
  connection.listen();
}

/** Sends each step of a completion's first alternative to the client. */
function frameSender(connection: Connection, query: CompletionQuery, request: number): InfillHooks['watch'] {
  const { uri, line, character } = query;
  const { prefix } = query.text;
  return (alternative, canvas, healed, model) => {
    if (alternative > 0) return;
    const frame = frameOf(canvas, model);
    const prefixTail = withoutEnd(prefix, healed).slice(-prefixTailLength);
    const message: protocol.CompletionFrame = { request, uri, line, character, prefixTail, frame, done: canvas.done };
    void connection.sendNotification(protocol.completionFrame, message);
  };
}

/** Answers requests for completions, and prepares the next completion when one was accepted. */
function answerCompletions({ connection, documents, completions, sendStatus }: Session): void {
  connection.languages.inlineCompletion.on(async (parameters, token) => {
    const document = documents.get(parameters.textDocument.uri);
    if (!document) return null;
    const { triggerKind, selectedCompletionInfo } = parameters.context;
    const query = queryAt(document, parameters.position, {
      trigger: triggerKind === InlineCompletionTriggerKind.Invoked ? 'invoked' : 'automatic',
      listIsOpen: selectedCompletionInfo !== undefined,
    });
    const { texts, trace } = await completions.complete(query, signalOf(token));
    sendStatus();
    const { position } = parameters;
    return texts.map((insertText, alternative): InlineCompletionItem => {
      const accepted: protocol.AcceptedSuggestion = { request: trace.id, alternative };
      return {
        insertText,
        range: { start: position, end: position },
        command: { title: '', command: protocol.suggestionAcceptedCommand, arguments: [accepted] },
      };
    });
  });
  connection.onNotification(
    protocol.suggestionAccepted,
    async ({ request, alternative }: protocol.AcceptedSuggestion) => {
      const answer = completions.answer(request);
      const document = answer && documents.get(answer.trace.uri);
      const accepted = answer?.texts[alternative];
      if (!document || accepted === undefined) return;
      // The document contains the accepted text by now, and the cursor is at its end.
      const at = { trigger: 'automatic', listIsOpen: false } as const;
      await completions.prefetch(queryAt(document, endOf(accepted, answer.trace), at));
    },
  );
}

function followClientState({ connection, state, residency, completions, sendStatus }: Session): void {
  connection.onNotification(protocol.settingsChanged, (changed: protocol.RuntimeSettings) => {
    state.settings = changed;
    residency.choose(changed);
    completions.forget();
    sendStatus();
  });
  connection.onNotification(protocol.snooze, ({ until }: protocol.Snooze) => {
    state.snoozedUntil = until;
  });
  connection.onNotification(protocol.watchCompletions, ({ on }: protocol.WatchCompletions) => {
    state.watching = on;
  });
}

/** Answers requests that show how a text is denoised: at the cursor, or in a sample of a run. */
function answerDenoising({ connection, documents, state, residency, scheduler }: Session): void {
  connection.onRequest(protocol.denoiseHere, async (parameters: protocol.DenoiseParameters, token) => {
    const document = documents.get(parameters.uri);
    if (!document)
      throw new ResponseError(invalidParameters, `${fileOf(parameters.uri)} is not open; open it and try again.`);
    const query = queryAt(document, parameters, { trigger: 'invoked', listIsOpen: false });
    const denoised = denoiseHere(() => residency.get(), query, parameters, {
      settings: state.settings.completions,
      turns: scheduler,
      signal: signalOf(token),
      send: async (frame) => {
        const { partialResultToken: to } = parameters;
        if (to !== undefined) await connection.sendNotification('$/progress', { token: to, value: frame });
      },
    });
    return denoised.catch(failRequest);
  });
  connection.onRequest(protocol.sampleDenoising, (parameters: protocol.SampleDenoisingParameters) =>
    denoisingOfSample(parameters).catch(failRequest),
  );
}

function failRequest(error: unknown): never {
  throw new ResponseError(requestFailed, messageOf(error));
}

function signalOf(token: CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}

const fileOf = (uri: string): string => (uri.startsWith('file:') ? fileURLToPath(uri) : uri);
