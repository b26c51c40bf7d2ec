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

/** Whether there is a runtime to talk to, and why not. */
export type RuntimeState =
  | { readonly kind: 'stopped' | 'starting' | 'restarting' | 'failed'; readonly reason: string }
  | { readonly kind: 'running'; readonly status: RuntimeStatus | null };

/**
 * The runtime's process: started when the window has come up, started anew when it ends, later each time, and given up
 * after several ends within a few minutes. What it does is a status; nothing pops up.
 */
export class Runtime implements vscode.Disposable {
  readonly #script: string;
  readonly #nodes: NodeChoice;
  readonly #chosen: ChosenModel;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<RuntimeState>();
  readonly #started = new vscode.EventEmitter<LanguageClient>();
  #state: RuntimeState = { kind: 'stopped', reason: 'The runtime is not started yet.' };
  #client: LanguageClient | null = null;
  /** Times, in milliseconds since 1970, at which it ended by itself. */
  #ends: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;
  /** Settles when the present client has started, or has failed to. */
  #settled: Promise<void> = Promise.resolve();
  /** Starts so far: the last one counts. */
  #starts = 0;
  #restarts = 0;

  readonly onDidChangeState = this.#changed.event;
  /** A new process is there: what the last one was told, it does not know. */
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

  /** Starts it, or starts it anew; what went wrong before is forgotten. Of several at once the last one starts it. */
  async restart(): Promise<void> {
    this.#ends = [];
    const restart = ++this.#restarts;
    await this.#stop();
    if (restart === this.#restarts) await this.#start();
  }

  /** Asks it, once it is up where it is just starting; throws one sentence where there is none to ask. */
  async request<Result>(method: string, parameters?: unknown): Promise<Result> {
    const client = await this.#running();
    return parameters === undefined
      ? client.sendRequest<Result>(method)
      : client.sendRequest<Result>(method, parameters);
  }

  /** Asks it for what comes in parts, LSP's partial results, before it comes as a whole. */
  async requestInParts<Result, Part>(
    method: string,
    parameters: object,
    onPart: (part: Part) => void,
    token: vscode.CancellationToken,
  ): Promise<Result> {
    const client = await this.#running();
    const { ProgressType } = await languageClient();
    const partialResultToken = randomUUID();
    const parts = client.onProgress(new ProgressType<Part>(), partialResultToken, onPart);
    try {
      return await client.sendRequest<Result>(method, { ...parameters, partialResultToken }, token);
    } finally {
      parts.dispose();
    }
  }

  /** Tells it something, where there is one. */
  async notify(method: string, parameters: unknown): Promise<void> {
    if (this.#state.kind === 'running') await this.#client?.sendNotification(method, parameters);
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
    // Another start has begun meanwhile, for another Node perhaps; two would be one too many.
    if (!client || !isCurrent()) return;
    this.#client = client;
    client.onNotification(statusChanged, (status: RuntimeStatus) => {
      if (this.#client === client && this.#state.kind === 'running') this.#set({ kind: 'running', status });
    });
    try {
      const started = client.start();
      this.#settled = started.then(nothing, nothing);
      await started;
    } catch (error) {
      // Where the process ended, `closed` has it started anew.
      if (this.#client === client && this.#state.kind === 'starting') this.#ended(client, messageOf(error));
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
        documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-notebook-cell' }],
        outputChannel: this.#log,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
        initializationFailedHandler: () => false,
        errorHandler: {
          error: () => ({ action: ErrorAction.Continue, handled: true }),
          closed: () => {
            if (holder.client) this.#ended(holder.client, 'its process ended');
            return { action: CloseAction.DoNotRestart, handled: true };
          },
        },
      },
    );
    holder.client = client;
    return client;
  }

  #ended(client: LanguageClient, why: string): void {
    if (this.#client !== client || this.#disposed) return;
    this.#client = null;
    this.#ends.push(Date.now());
    const delay = nextDelay(this.#ends, Date.now());
    if (delay === null) {
      this.#fail(
        `The runtime ended again and again (${why}); \`Unmask: Show Log\` has its last words, \`Unmask: Restart Runtime\` tries once more.`,
      );
      return;
    }
    this.#log.warn(`The runtime is gone (${why}); it is started again in ${delay / 1000} s.`);
    this.#set({ kind: 'restarting', reason: `The runtime ended and starts again in ${delay / 1000} s.` });
    this.#timer = setTimeout(() => void this.#start(), delay);
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = null;
    if (!client) return;
    // A client that is ended while it starts shows a message of its own.
    await Promise.race([this.#settled, wait(patience, undefined, { ref: false })]);
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

  async #running(): Promise<LanguageClient> {
    if (this.#isComing()) await this.#come();
    if (this.#state.kind === 'running' && this.#client) return this.#client;
    throw new Error(this.#state.kind === 'running' ? 'The runtime is busy starting.' : this.#state.reason);
  }

  #isComing(): boolean {
    const { kind } = this.#state;
    // While it is started anew on demand, the state is still that of the one before, which is gone.
    return kind === 'running' ? this.#client === null : kind !== 'failed';
  }

  /** Waits for what is coming up to be there, or not to come; not for ever. */
  #come(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        listener.dispose();
        clearTimeout(timer);
        resolve();
      };
      const listener = this.#changed.event(() => {
        if (!this.#isComing()) done();
      });
      const timer = setTimeout(done, comingPatience);
    });
  }
}

/** Milliseconds for which who asks waits for a runtime that is coming up. */
const comingPatience = 30_000;
/** Milliseconds for which a client that starts is waited for before it is ended. */
const patience = 5_000;
const nothing = (): void => undefined;

/** Loaded with the first runtime, not with the extension: it takes longer to load than all the rest. */
const languageClient = () => import('vscode-languageclient/node');
