import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type CancellationToken,
  type Connection,
  type InlineCompletionItem,
  InlineCompletionTriggerKind,
  type Position,
  ResponseError,
  TextDocumentSyncKind,
  TextDocuments,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { listModels } from '../catalogue/list-models.ts';
import { type InfillHooks, infill } from '../diffusion/infill.ts';
import { bundledCodeModel } from '../model/find-model.ts';
import { messageOf } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import * as protocol from '../protocol/runtime.ts';
import { type CompletionParts, type CompletionQuery, Completions } from './completions.ts';
import { denoiseHere } from './denoise-here.ts';
import { frameOf, withoutEnd } from './frame.ts';
import { MemoryArbiter } from './memory-arbiter.ts';
import { ModelResidency } from './model-residency.ts';
import { denoisingOfSample } from './sample-denoising.ts';
import { Scheduler } from './scheduler.ts';

export const defaultSettings: protocol.RuntimeSettings = {
  model: bundledCodeModel,
  engine: 'auto',
  device: 'auto',
  completions: {
    enabled: true,
    languages: {},
    multiline: 'auto',
    inCommentsAndStrings: false,
    debounce: 120,
    alternatives: 3,
    contextTokens: 512,
    threshold: 0.9,
    prefetch: true,
  },
};

/** LSP's `RequestFailed`: the message is meant for the user. */
const requestFailed = -32803;

/** Characters before the cursor that a watcher is shown. */
const shownBefore = 400;

/**
 * The runtime as a language server: completions as LSP 3.18 has them, everything else as `src/protocol/runtime.ts` does.
 * `infiller` takes the place of the model in tests.
 */
export function serve(connection: Connection, infiller?: CompletionParts['infill']): void {
  const documents = new TextDocuments(TextDocument);
  let settings = defaultSettings;
  let snoozedUntil: number | null = null;
  let watching = false;

  const sendStatus = () => {
    const status: protocol.RuntimeStatus = {
      ...residency.residency,
      model: settings.model,
      latency: completions.latency.summary,
    };
    void connection.sendNotification(protocol.statusChanged, status);
  };
  const room = new MemoryArbiter();
  const residency = new ModelResidency(settings, sendStatus, room.whyNot);
  const fill: CompletionParts['infill'] =
    infiller ?? (async (request, hooks) => infill(await residency.get(), request, hooks));
  const turns = new Scheduler();
  room.follow(() => {
    const reconsidered = turns.run('invoked', new AbortController().signal, () => residency.reconsider());
    reconsidered.catch((error: unknown) => connection.console.error(messageOf(error)));
  });
  const completions = new Completions({
    turns,
    settings: () => settings.completions,
    snoozedUntil: () => snoozedUntil,
    infill: fill,
    now: () => Date.now(),
    wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
    watcher: (query, request) => (watching && request >= 0 ? frameSender(query, request) : null),
  });
  /** Sends the steps of a completion to who watches. */
  const frameSender = (query: CompletionQuery, request: number): InfillHooks['watch'] => {
    const { uri, line, character } = query;
    const { prefix } = query.text;
    return (alternative, canvas, healed, model) => {
      if (alternative > 0) return;
      const frame = frameOf(canvas, model);
      const prefixTail = withoutEnd(prefix, healed).slice(-shownBefore);
      const message: protocol.CompletionFrame = { request, uri, line, character, prefixTail, frame, done: canvas.done };
      void connection.sendNotification(protocol.completionFrame, message);
    };
  };

  connection.onInitialize(() => ({
    serverInfo: { name: 'unmask', version: packageVersion() },
    capabilities: { textDocumentSync: TextDocumentSyncKind.Incremental, inlineCompletionProvider: {} },
  }));
  connection.onInitialized(sendStatus);
  connection.onExit(() => room.close());

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
    return texts.map(
      (insertText, alternative): InlineCompletionItem => ({
        insertText,
        range: { start: position, end: position },
        command: { title: '', command: acceptedCommand, arguments: [{ request: trace.id, alternative }] },
      }),
    );
  });

  connection.onNotification(protocol.settingsChanged, (changed: protocol.RuntimeSettings) => {
    settings = changed;
    residency.choose(changed);
    completions.forget();
    sendStatus();
  });
  connection.onNotification(protocol.snooze, ({ until }: protocol.Snooze) => {
    snoozedUntil = until;
  });
  connection.onNotification(protocol.watchCompletions, ({ on }: protocol.WatchCompletions) => {
    watching = on;
  });
  connection.onNotification(
    protocol.suggestionAccepted,
    async ({ request, alternative }: protocol.AcceptedSuggestion) => {
      const answer = completions.answer(request);
      const document = answer && documents.get(answer.trace.uri);
      const accepted = answer?.texts[alternative];
      if (!document || accepted === undefined) return;
      // The document has the accepted text by now; the cursor stands behind it.
      const at = { trigger: 'automatic', listIsOpen: false } as const;
      await completions.prefetch(queryAt(document, endOf(accepted, answer.trace), at));
    },
  );
  connection.onRequest(protocol.lastCompletion, () => completions.last);
  connection.onRequest(protocol.listModels, () => listModels());
  connection.onRequest(protocol.denoiseHere, async (parameters: protocol.DenoiseParameters, token) => {
    const document = documents.get(parameters.uri);
    if (!document) throw new ResponseError(-32602, `${fileOf(parameters.uri)} is not open; open it and try again.`);
    const at = { trigger: 'invoked', listIsOpen: false } as const;
    const query = queryAt(document, parameters, at);
    try {
      return await denoiseHere(() => residency.get(), query, parameters, {
        settings: settings.completions,
        turns,
        signal: signalOf(token),
        send: async (frame) => {
          const { partialResultToken: to } = parameters;
          if (to !== undefined) await connection.sendNotification('$/progress', { token: to, value: frame });
        },
      });
    } catch (error) {
      throw new ResponseError(requestFailed, messageOf(error));
    }
  });
  connection.onRequest(protocol.sampleDenoising, (parameters: protocol.SampleDenoisingParameters) =>
    denoisingOfSample(parameters).catch((error: unknown) => {
      throw new ResponseError(requestFailed, messageOf(error));
    }),
  );

  documents.listen(connection);
  connection.listen();
}

/** What the extension registers, so that it learns which suggestion was taken. */
export const acceptedCommand = 'unmask.suggestionAccepted';

/** Where a text ends that begins at a position; a document may have other line ends than the text. */
function endOf(text: string, begin: Position): Position {
  const lines = text.split('\n');
  const { length } = lines.at(-1) as string;
  return lines.length === 1
    ? { line: begin.line, character: begin.character + length }
    : { line: begin.line + lines.length - 1, character: length };
}

function queryAt(
  document: TextDocument,
  position: Position,
  how: Pick<CompletionQuery, 'trigger' | 'listIsOpen'>,
): CompletionQuery {
  const text = document.getText();
  const offset = document.offsetAt(position);
  const { line, character } = position;
  const { uri, languageId } = document;
  return {
    uri,
    languageId,
    line,
    character,
    text: { prefix: text.slice(0, offset), suffix: text.slice(offset) },
    ...how,
  };
}

function signalOf(token: CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}

const fileOf = (uri: string): string => (uri.startsWith('file:') ? fileURLToPath(uri) : uri);
