import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type CancellationToken,
  type Connection,
  DidChangeWatchedFilesNotification,
  type InlineCompletionItem,
  type InlineCompletionParams,
  InlineCompletionTriggerKind,
  NotebookDocuments,
  ResponseError,
  TextDocumentSyncKind,
  TextDocuments,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type * as z from 'zod';
import { listModels } from '../catalogue/list-models.ts';
import { keepSuggestionTime } from '../catalogue/suggestion-times.ts';
import { WorkspaceCopies } from '../copies/workspace-copies.ts';
import { indexName } from '../copies/workspace-texts.ts';
import { type InfillHooks, infill, readAhead } from '../diffusion/infill.ts';
import { messageOf } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import { defaultSettings } from '../protocol/default-settings.ts';
import { printableLine } from '../protocol/printable.ts';
import * as protocol from '../protocol/runtime.ts';
import * as client from './client-messages.ts';
import type { CompletionQuery } from './completion-query.ts';
import { type CompletionDependencies, Completions } from './completions.ts';
import { endOf, isInside, queryAt, withLineEndsOf } from './cursor-query.ts';
import { denoiseHere } from './denoise-here.ts';
import { DocumentImports } from './document-imports.ts';
import { frameOf, withoutEnd } from './frame.ts';
import { coveredAfterCursor } from './inline/closing-characters.ts';
import { MemoryArbiter } from './memory-arbiter.ts';
import { ModelResidency } from './model-residency.ts';
import { answerNextEdits } from './next-edit-requests.ts';
import { NextEdits } from './next-edits.ts';
import { textBeforeCell } from './notebook-cells.ts';
import { updateDocument } from './replaced-text.ts';
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
  /** Whether to send the steps of every completion to the panel. */
  watching: boolean;
  /** URIs of the folders that the client opened. */
  folders: readonly string[];
}

/** One client's connection and everything that answers it. */
/** The median time of a suggestion is kept after so many suggestions, and again after as many more. */
const timeKeptEvery = 5;

interface Session {
  readonly connection: Connection;
  readonly messages: client.ClientMessages;
  readonly documents: TextDocuments<TextDocument>;
  readonly notebooks: NotebookDocuments<TextDocument>;
  readonly state: ClientState;
  readonly residency: ModelResidency;
  readonly scheduler: Scheduler;
  readonly completions: Completions;
  readonly copies: WorkspaceCopies;
  readonly sendStatus: () => void;
  /** Keeps the median time of a suggestion by the model for lists of models. */
  readonly keepTime: () => void;
}

/**
 * Runs the language server on a connection: completions as in LSP 3.18, all other messages as in
 * `src/protocol/runtime.ts`. Tests pass `infiller` to replace the model.
 */
export function serve(connection: Connection, infiller?: CompletionDependencies['infill']): void {
  const documents = new TextDocuments({
    create: TextDocument.create,
    update(document: TextDocument, changes, version) {
      const { document: updated, before, hasReplaced, edits } = updateDocument(document, changes, version);
      nextEdits.documentChanged(before, edits, version);
      if (hasReplaced) completions.removeReplaced(document.uri);
      return updated;
    },
  });
  const notebooks = new NotebookDocuments(documents);
  const state: ClientState = { settings: defaultSettings, snoozedUntil: null, watching: false, folders: [] };
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
    connection.console.warn(printableLine(sentence)),
  );
  const copies = new WorkspaceCopies();
  const imports = new DocumentImports();
  const completions = new Completions({
    scheduler,
    copies: async ({ uri, languageId, text }, singleLine) => {
      const imported = await imports.of(uri, languageId, text.prefix + text.suffix);
      return copies.find({ name: nameOf(uri), ...text, singleLine }, imported);
    },
    copyProblems: () => copies.summary.problems,
    ...(infiller
      ? {}
      : {
          unreadLanguage: (languageId: string) => residency.unreadLanguage(languageId),
          gate: () => residency.gate(),
          modelName: () => path.basename(state.settings.model),
        }),
    settings: () => state.settings.completions,
    snoozedUntil: () => state.snoozedUntil,
    infill: infiller ?? (async (request, hooks) => infill(await residency.get(), request, hooks)),
    // A model is never loaded only because the cursor has moved.
    readAhead: async (request, hooks) => {
      if (residency.residency.state === 'ready') await readAhead(await residency.get(), request, hooks);
    },
    now: () => Date.now(),
    wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
    watcher: (query, request) => (state.watching && request >= 0 ? frameSender(connection, query, request) : null),
  });
  const nextEdits = nextEditsOf(state, documents, copies);
  const keepTime = () => {
    const { folder } = residency.residency;
    const { requests, p50 } = completions.latency.summary;
    if (folder === null || p50 === null || requests % timeKeptEvery !== 0) return;
    keepSuggestionTime(folder, p50).catch((error: unknown) => connection.console.warn(printableLine(messageOf(error))));
  };
  const messages = new client.ClientMessages(
    (line) => connection.console.warn(printableLine(line)),
    () => scheduler.messageArrived(),
  );
  const session: Session = {
    connection,
    messages,
    documents,
    notebooks,
    state,
    residency,
    scheduler,
    completions,
    copies,
    sendStatus,
    keepTime,
  };

  arbiter.follow(() => {
    const reconsidered = scheduler.run('invoked', new AbortController().signal, () => residency.reconsider());
    reconsidered.catch((error: unknown) => connection.console.error(printableLine(messageOf(error))));
  });
  let watchesFiles = false;
  connection.onInitialize(({ workspaceFolders, capabilities }) => {
    session.messages.initialize();
    state.folders = (workspaceFolders ?? []).map(({ uri }) => uri);
    watchesFiles = capabilities.workspace?.didChangeWatchedFiles?.dynamicRegistration === true;
    return {
      serverInfo: { name: 'unmask', version: packageVersion() },
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        notebookDocumentSync: { notebookSelector: [{ notebook: '*' }] },
        inlineCompletionProvider: {},
      },
    };
  });
  connection.onInitialized(() => {
    sendStatus();
    followWorkspace(session, watchesFiles);
  });
  connection.onExit(() => {
    arbiter.close();
    void copies.close();
  });
  answerCompletions(session);
  followClientState(session);
  answerDenoising(session);
  connection.onRequest(
    protocol.lastCompletion,
    messages.request(null, () => completions.last),
  );
  answerNextEdits(connection, messages, nextEdits);
  connection.onRequest(
    protocol.listModels,
    messages.request(null, () => listModels()),
  );

  followDocuments(session, nextEdits);
  documents.listen(connection);
  notebooks.listen(connection);
  connection.listen();
}

function nextEditsOf(state: ClientState, documents: TextDocuments<TextDocument>, copies: WorkspaceCopies): NextEdits {
  const isLanguageOn = (languageId: string): boolean => {
    const { languages } = state.settings.completions;
    return languages[languageId] ?? languages['*'] ?? true;
  };
  return new NextEdits({
    mode: () => state.settings.nextEdits ?? 'onRequest',
    isSnoozed: () => state.snoozedUntil !== null && Date.now() < state.snoozedUntil,
    isLanguageOn,
    document: (uri) => documents.get(uri),
    nameOf,
    leavesOut: (name) => copies.leavesOut(name),
    linesWith: (name) => (word) => copies.linesWith(name, word),
    now: () => Date.now(),
  });
}

function followDocuments({ documents, scheduler, copies }: Session, nextEdits: NextEdits): void {
  documents.onDidChangeContent(({ document }) => {
    scheduler.messageArrived();
    copies.documentChanged(nameOf(document.uri), () => document.getText());
  });
  documents.onDidClose(({ document }) => {
    copies.documentClosed(nameOf(document.uri));
    nextEdits.documentClosed(document.uri);
  });
}

/** Milliseconds in which a client that has settings for copies sends them. */
const settingsTime = 2_000;

/** Keeps the index of copies up to date: with the client's folders, its open documents, and changes of files that it reports. */
function followWorkspace({ connection, documents, copies, state }: Session, watchesFiles: boolean): void {
  // The user may have turned copies off, so nothing is read before the settings are known.
  setTimeout(() => copies.configure(copySettings(state)), settingsTime).unref();
  connection.onDidChangeWatchedFiles(() => copies.filesChanged());
  documents.onDidSave(() => copies.filesChanged());
  if (watchesFiles)
    connection.client
      .register(DidChangeWatchedFilesNotification.type, { watchers: [{ globPattern: '**/*' }] })
      .catch((error: unknown) => connection.console.error(messageOf(error)));
}

/** Whether copies are on, and the folders that they come from. */
function copySettings({ settings, folders }: ClientState) {
  const own = (settings.copyFolders ?? folders).filter((uri) => uri.startsWith('file:'));
  return { enabled: settings.completions.copies, folders: own.map(fileOf) };
}

/** A document's name in the index of copies. */
const nameOf = (uri: string): string => indexName(fileOf(uri));

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
function answerCompletions(session: Session): void {
  const { connection, messages, documents, notebooks, state, completions, sendStatus } = session;
  const complete = async (parameters: InlineCompletionParams, token: CancellationToken) => {
    const document = documents.get(parameters.textDocument.uri);
    if (!document) return null;
    const { triggerKind, selectedCompletionInfo } = parameters.context;
    const trigger = triggerKind === InlineCompletionTriggerKind.Invoked ? 'invoked' : 'automatic';
    const { query, range, begin } = queryAt(document, parameters.position, {
      trigger,
      selected: selectedCompletionInfo ?? undefined,
      before: textBeforeCell(notebooks, document),
    });
    const { texts, trace } = await completions.complete(query, signalOf(token));
    sendStatus();
    if (trace.source === 'model') session.keepTime();
    if (state.watching && trace.outcome !== 'debounced' && trace.outcome !== 'cancelled')
      void connection.sendNotification(protocol.completionDecided, trace);
    const { start, end } = range;
    return texts.map((text, alternative): InlineCompletionItem => {
      const accepted: protocol.AcceptedSuggestion = { request: trace.id, alternative };
      const covered = coveredAfterCursor(text, query.text);
      return {
        insertText: withLineEndsOf(document, begin + text),
        range: { start, end: { line: end.line, character: end.character + covered } },
        command: { title: '', command: protocol.suggestionAcceptedCommand, arguments: [accepted] },
      };
    });
  };
  connection.languages.inlineCompletion.on(messages.request(client.inlineCompletion, complete));
  connection.onNotification(
    protocol.cursorRests,
    messages.notification(
      protocol.cursorRests,
      client.restingCursor,
      async ({ uri, line, character }: protocol.RestingCursor) => {
        const document = documents.get(uri);
        if (!document || !isInside(document, { line, character })) return;
        const before = textBeforeCell(notebooks, document);
        await completions.readAhead(queryAt(document, { line, character }, { trigger: 'automatic', before }).query);
      },
    ),
  );
  connection.onNotification(
    protocol.suggestionAccepted,
    messages.notification(
      protocol.suggestionAccepted,
      client.acceptedSuggestion,
      async ({ request, alternative }: protocol.AcceptedSuggestion) => {
        const answer = completions.answer(request);
        const document = answer && documents.get(answer.trace.uri);
        const accepted = answer?.texts[alternative];
        if (!document || accepted === undefined) return;
        // The document contains the accepted text by now, and the cursor is at its end.
        const position = endOf(accepted, answer.trace);
        if (!isInside(document, position)) return;
        const before = textBeforeCell(notebooks, document);
        await completions.prefetch(queryAt(document, position, { trigger: 'automatic', before }).query);
      },
    ),
  );
}

function followClientState({ connection, messages, state, residency, completions, copies, sendStatus }: Session): void {
  const follow = <Parameters>(name: string, schema: z.ZodType, handle: (parameters: Parameters) => void) =>
    connection.onNotification(name, messages.notification(name, schema, handle));
  follow(protocol.settingsChanged, client.settings, (changed: protocol.RuntimeSettings) => {
    const { model, engine, device } = state.settings;
    if (changed.model !== model || changed.engine !== engine || changed.device !== device) completions.latency.clear();
    state.settings = changed;
    residency.choose(changed);
    copies.configure(copySettings(state));
    completions.clearCache();
    sendStatus();
  });
  follow(protocol.snooze, client.snooze, ({ until }: protocol.Snooze) => {
    state.snoozedUntil = until;
  });
  follow(protocol.watchCompletions, client.watchCompletions, ({ on }: protocol.WatchCompletions) => {
    state.watching = on;
  });
}

/** Answers requests that show how a text is denoised: at the cursor, or in a sample of a run. */
function answerDenoising({ connection, messages, documents, notebooks, state, residency, scheduler }: Session): void {
  const answer = async (parameters: protocol.DenoiseParameters, token: CancellationToken) => {
    const document = documents.get(parameters.uri);
    if (!document)
      throw new ResponseError(invalidParameters, `${fileOf(parameters.uri)} is not open; open it and try again.`);
    const before = textBeforeCell(notebooks, document);
    const { query } = queryAt(document, parameters, { trigger: 'invoked', before });
    const denoised = denoiseHere(() => residency.get(), query, parameters, {
      settings: state.settings.completions,
      scheduler,
      signal: signalOf(token),
      send: async (frame) => {
        const { partialResultToken: to } = parameters;
        if (to !== undefined) await connection.sendNotification('$/progress', { token: to, value: frame });
      },
    });
    return denoised.catch(failRequest);
  };
  connection.onRequest(protocol.denoiseHere, messages.request(client.denoiseParameters, answer));
  connection.onRequest(
    protocol.sampleDenoising,
    messages.request(client.sampleDenoising, (parameters: protocol.SampleDenoisingParameters) =>
      denoisingOfSample(parameters).catch(failRequest),
    ),
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
