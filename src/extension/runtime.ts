import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { messageOf } from '../platform/errors.ts';
import { type RuntimeStatus, settingsChanged, statusChanged } from '../protocol/runtime.ts';
import type { ChosenModel } from './models/chosen-model.ts';
import type { NodeChoice } from './node-choice.ts';
import { nextDelay } from './restart-delay.ts';
import { readRuntimeSettings } from './runtime-settings.ts';

/** The documents that have completions. */
export const servedDocuments = [
  { scheme: 'file' },
  { scheme: 'untitled' },
  { scheme: 'vscode-notebook-cell' },
] as const;

/** State of the runtime process, with the reason if it is not running. */
export type RuntimeState =
  | { readonly kind: 'stopped' | 'starting' | 'restarting' | 'failed'; readonly reason: string }
  | { readonly kind: 'running'; readonly status: RuntimeStatus | null };

/**
 * The runtime process. It starts with the window and restarts after an exit, with a longer delay each time, until it
 * has exited several times within a few minutes. Its state shows in the status bar; it never opens a notification.
 */
export class Runtime implements vscode.Disposable {
  readonly #script: string;
  readonly #nodes: NodeChoice;
  readonly #chosen: ChosenModel;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<RuntimeState>();
  readonly #started = new vscode.EventEmitter<LanguageClient>();
  #state: RuntimeState = { kind: 'stopped', reason: 'The runtime has not started yet.' };
  #client: LanguageClient | null = null;
  /** Times of unexpected exits, milliseconds since 1970. */
  #exits: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;
  /** Settles when the current client has started or has failed to start. */
  #settled: Promise<void> = Promise.resolve();
  /** Number of starts so far; only the last one is current. */
  #starts = 0;
  #restarts = 0;
  #isHeldBack: (document: vscode.TextDocument) => boolean = () => false;

  readonly onDidChangeState = this.#changed.event;
  /** Fires when a new process has started. It knows nothing of what the previous process was sent. */
  readonly onDidStart = this.#started.event;

  constructor(script: string, nodes: NodeChoice, chosen: ChosenModel, log: vscode.LogOutputChannel) {
    this.#script = script;
    this.#nodes = nodes;
    this.#chosen = chosen;
    this.#log = log;
  }

  get state(): RuntimeState {
    return this.#state;
  }

  /** Starts or restarts the process and forgets earlier exits. Of several concurrent calls, only the last one starts it. */
  async restart(): Promise<void> {
    this.#exits = [];
    const restart = ++this.#restarts;
    await this.#stop();
    if (restart === this.#restarts) await this.#start();
  }

  /** Sends a request, after waiting for a start in progress. Throws an error with one sentence if it is not running. */
  async request<Result>(method: string, parameters?: unknown): Promise<Result> {
    const client = await this.startedClient();
    return parameters === undefined
      ? client.sendRequest<Result>(method)
      : client.sendRequest<Result>(method, parameters);
  }

  /** Sends a request whose result is also reported in parts (LSP's partial results) before it is complete. */
  async requestWithPartialResults<Result, Part>(
    method: string,
    parameters: object,
    onPart: (part: Part) => void,
    token: vscode.CancellationToken,
  ): Promise<Result> {
    const client = await this.startedClient();
    const { ProgressType } = await languageClient();
    const partialResultToken = randomUUID();
    const parts = client.onProgress(new ProgressType<Part>(), partialResultToken, onPart);
    try {
      return await client.sendRequest<Result>(method, { ...parameters, partialResultToken }, token);
    } finally {
      parts.dispose();
    }
  }

  /** Sends a notification if the process is running. */
  async notify(method: string, parameters: unknown): Promise<void> {
    if (this.#state.kind === 'running') await this.#client?.sendNotification(method, parameters);
  }

  /** No suggestions are requested in documents for which this holds, because something else is shown there. */
  holdBackSuggestions(isHeldBack: (document: vscode.TextDocument) => boolean): void {
    this.#isHeldBack = isHeldBack;
  }

  async sendSettings(): Promise<void> {
    await this.notify(settingsChanged, readRuntimeSettings(this.#chosen));
  }

  dispose(): void {
    this.#disposed = true;
    void this.#stop();
    this.#changed.dispose();
    this.#started.dispose();
  }

  async #start(): Promise<void> {
    this.#starts++;
    const start = this.#starts;
    const isCurrent = () => start === this.#starts && !this.#disposed;
    this.#set({ kind: 'starting', reason: 'The runtime is starting.' });
    const client = await this.#newClient().catch((error: unknown) => isCurrent() && this.#fail(messageOf(error)));
    // Another start, perhaps with another Node, has superseded this one.
    if (!client || !isCurrent()) return;
    this.#client = client;
    client.onNotification(statusChanged, (status: RuntimeStatus) => {
      if (this.#client === client && this.#state.kind === 'running') this.#set({ kind: 'running', status });
    });
    try {
      const started = client.start();
      this.#settled = started.then(ignore, ignore);
      await started;
    } catch (error) {
      // If the process exited, `closed` has already handled it.
      if (this.#client === client && this.#state.kind === 'starting') this.#handleExit(client, messageOf(error));
      return;
    }
    if (this.#client !== client || this.#disposed) return;
    this.#set({ kind: 'running', status: null });
    await this.sendSettings();
    this.#started.fire(client);
  }

  async #newClient(): Promise<LanguageClient> {
    const node = await this.#nodes.get();
    const { CloseAction, ErrorAction, LanguageClient, RevealOutputChannelOn } = await languageClient();
    this.#log.info(`unmask serve in ${node.file} (Node.js ${node.version})`);
    const holder: { client?: LanguageClient } = {};
    const client = new LanguageClient(
      'unmask',
      'Unmask',
      { command: node.file, args: [this.#script, 'serve'], options: { env: { ...process.env, ...node.environment } } },
      {
        documentSelector: [...servedDocuments],
        outputChannel: this.#log,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
        middleware: {
          provideInlineCompletionItems: (document, position, inline, token, next) =>
            this.#isHeldBack(document) ? undefined : next(document, position, inline, token),
        },
        initializationFailedHandler: () => false,
        errorHandler: {
          error: () => ({ action: ErrorAction.Continue, handled: true }),
          closed: () => {
            if (holder.client) this.#handleExit(holder.client, 'its process exited');
            return { action: CloseAction.DoNotRestart, handled: true };
          },
        },
      },
    );
    holder.client = client;
    return client;
  }

  #handleExit(client: LanguageClient, why: string): void {
    if (this.#client !== client || this.#disposed) return;
    this.#client = null;
    this.#exits.push(performance.now());
    const delay = nextDelay(this.#exits, performance.now());
    if (delay === null) {
      this.#fail(
        `The runtime stopped repeatedly (${why}). Run \`Unmask: Show Log\` for details, or \`Unmask: Restart Runtime\` to try again.`,
      );
      return;
    }
    this.#log.warn(`The runtime stopped (${why}). It restarts in ${delay / 1000} s.`);
    this.#set({ kind: 'restarting', reason: `The runtime stopped and restarts in ${delay / 1000} s.` });
    this.#timer = setTimeout(() => void this.#start(), delay);
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = null;
    if (!client) return;
    // A client that is disposed of while it starts would show an error message.
    await Promise.race([this.#settled, wait(startTimeout, undefined, { ref: false })]);
    await client.dispose(2000).catch((error: unknown) => this.#log.warn(messageOf(error)));
  }

  #fail(reason: string): null {
    this.#log.error(reason);
    this.#set({ kind: 'failed', reason });
    return null;
  }

  #set(state: RuntimeState): void {
    if (this.#disposed) return;
    this.#state = state;
    this.#changed.fire(state);
  }

  /** The running client, after waiting for a start in progress. Throws an error with one sentence if it is not running. */
  async startedClient(): Promise<LanguageClient> {
    if (this.#isStarting()) await this.#waitUntilStarted();
    if (this.#state.kind === 'running' && this.#client) return this.#client;
    throw new Error(
      this.#state.kind === 'running' ? 'The runtime is still starting. Try again in a moment.' : this.#state.reason,
    );
  }

  #isStarting(): boolean {
    const { kind } = this.#state;
    // During a requested restart, the state is still `running` although the old client is gone.
    return kind === 'running' ? this.#client === null : kind !== 'failed';
  }

  /** Waits until a start in progress has succeeded or failed, or the timeout has passed. */
  #waitUntilStarted(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        listener.dispose();
        clearTimeout(timer);
        resolve();
      };
      const listener = this.#changed.event(() => {
        if (!this.#isStarting()) done();
      });
      const timer = setTimeout(done, readyTimeout);
    });
  }
}

/** Milliseconds that a request waits for a runtime that is starting. */
const readyTimeout = 30_000;
/** Milliseconds to wait for a client that is starting before it is disposed of. */
const startTimeout = 5_000;
const ignore = (): void => undefined;

/** Loaded with the first runtime and not with the extension, because it takes longer to load than everything else. */
const languageClient = () => import('vscode-languageclient/node');
