import * as vscode from 'vscode';
import { messageOf, UserError } from '../../platform/errors.ts';
import { mostComparedRuns, type PanelRequest, type PanelUpdate, samplesPerPage } from '../../protocol/panel.ts';
import type { Denoising } from '../../protocol/report.ts';
import {
  type CompletionFrame,
  type CompletionTrace,
  type DenoiseParameters,
  type DenoiseResult,
  type DenoisingFrame,
  denoiseHere,
  sampleDenoising,
} from '../../protocol/runtime.ts';
import { isOver, readSamples } from '../../runs/reader.ts';
import { commands } from '../contributions.ts';
import { withRelativeNames } from '../explain-completion.ts';
import { controlRun } from '../jobs/control-runs.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Runtime } from '../runtime.ts';
import { describeState } from '../status-bar.ts';
import type { LastEditor } from './last-editor.ts';
import { parsePanelRequest } from './panel-request.ts';
import { RunFeed } from './run-feed.ts';

/** Services that every page uses. */
export interface PanelParts {
  readonly jobs: Jobs;
  readonly runtime: Runtime;
  readonly lastEditor: LastEditor;
  readonly log: vscode.LogOutputChannel;
}

/** What contains a page: the view in the panel area, or an editor tab. */
export interface PanelContainer {
  readonly webview: vscode.Webview;
  readonly visible: boolean;
}

/** Milliseconds between two reads of the events of a running run: they are written before its status changes. */
const pollInterval = 1_000;
/** Milliseconds that a page has to say what it shows. */
const viewTimeout = 1_000;

/** One page: answers its requests, and sends it changes while it is visible. */
export class PanelSession implements vscode.Disposable {
  readonly #container: PanelContainer;
  readonly #parts: PanelParts;
  readonly #subscriptions: vscode.Disposable[];
  #shown: RunFeed | null = null;
  /** By directory. */
  readonly #compared = new Map<string, RunFeed>();
  #denoising: vscode.CancellationTokenSource | null = null;
  /** The run to show when the page is ready; null: the one that it showed before. */
  #pendingRun: string | null = null;
  #ready = false;
  /** Receives the answer to `hand-over`. */
  #receiveView: (view: string) => void = () => undefined;

  constructor(frame: PanelContainer, parts: PanelParts) {
    this.#container = frame;
    this.#parts = parts;
    const { jobs, runtime, log } = parts;
    const follow = setInterval(() => this.#pollActiveRuns(), pollInterval);
    this.#subscriptions = [
      frame.webview.onDidReceiveMessage((message: unknown) => {
        const request = parsePanelRequest(message);
        if (request) void this.#answer(request);
        else log.warn(`The panel sent an invalid request: ${JSON.stringify(message)?.slice(0, 200)}`);
      }),
      { dispose: jobs.runs.onChange(() => this.#sendRuns()) },
      runtime.onDidChangeState(() => this.#sendRuntime()),
      { dispose: () => clearInterval(follow) },
    ];
  }

  get visible(): boolean {
    return this.#container.visible;
  }

  /** The run that it shows; null if it shows none. */
  get shown(): string | null {
    return this.#shown?.dir ?? null;
  }

  /** Shows a run, now or when the page is ready. */
  async showRun(dir: string): Promise<void> {
    if (!this.#ready) {
      this.#pendingRun = dir;
      return;
    }
    await this.#show(dir);
    this.#send({ kind: 'reveal-run' });
  }

  /** VS Code discards the content of a hidden page; when it is shown again, the new content reports that it is ready. */
  visibilityChanged(): void {
    if (this.visible) return;
    this.#ready = false;
    this.#denoising?.cancel();
    this.#closeFeeds();
  }

  completionFrame(frame: CompletionFrame): void {
    this.#send({ kind: 'completion-frame', frame });
  }

  completionDecided(trace: CompletionTrace): void {
    this.#send({ kind: 'suggestion', trace: withRelativeNames(trace) });
  }

  /** What the page shows, for a page in another place; null if the page is hidden or does not answer. */
  view(): Promise<string | null> {
    if (!this.visible || !this.#ready) return Promise.resolve(null);
    return new Promise((resolve) => {
      const end = setTimeout(() => resolve(null), viewTimeout);
      this.#receiveView = (view) => {
        clearTimeout(end);
        resolve(view);
      };
      this.#send({ kind: 'hand-over' });
    });
  }

  dispose(): void {
    this.#denoising?.cancel();
    this.#denoising?.dispose();
    this.#closeFeeds();
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  async #answer(request: PanelRequest): Promise<void> {
    try {
      await this.#do(request);
    } catch (error) {
      if (!(error instanceof UserError)) this.#parts.log.warn(`panel, ${request.kind}: ${messageOf(error)}`);
      this.#send({ kind: 'failed', request: request.kind, reason: messageOf(error) });
    }
  }

  async #do(request: PanelRequest): Promise<void> {
    const { jobs, lastEditor } = this.#parts;
    switch (request.kind) {
      case 'ready':
        await jobs.runs.look();
        this.#ready = true;
        this.#sendRuntime();
        this.#sendRuns();
        // A directory from before a reload may have been deleted, which is not an error.
        await this.#show(this.#knownOrNull(this.#pendingRun ?? request.shown) ?? this.#newestActiveRun());
        if (this.#pendingRun !== null) this.#send({ kind: 'reveal-run' });
        this.#pendingRun = null;
        for (const dir of request.compared) await this.#compare(dir, this.#knownOrNull(dir) !== null);
        return;
      case 'show-run':
        return this.#show(request.dir);
      case 'compare-run':
        return this.#compare(request.dir, request.compare);
      case 'show-samples':
        return this.#showSamples(request);
      case 'denoise-sample':
        return this.#denoiseSample(request);
      case 'denoise-here':
        return this.#denoiseHere(request);
      case 'cancel-denoise':
        this.#denoising?.cancel();
        return;
      case 'insert':
        if (!(await lastEditor.insert(request.text)))
          throw new UserError('There is no editor to insert into. Open a file first.');
        return;
      case 'copy':
        await vscode.env.clipboard.writeText(request.text);
        return;
      case 'control':
        // Directly after a reload the run may not be listed yet.
        if (!jobs.runs.find(request.dir)) await jobs.runs.look();
        await controlRun(jobs, this.#requireKnown(request.dir), request.want);
        await jobs.runs.look();
        return;
      case 'delete-run':
        await vscode.commands.executeCommand(commands.deleteRun, this.#requireKnown(request.dir));
        return;
      case 'view':
        this.#receiveView(request.view);
        return;
      case 'command':
        // Not awaited: a command may wait for the user.
        void vscode.commands.executeCommand(commands[request.command]);
    }
  }

  /** Checks that a directory from the page belongs to a listed run. */
  #requireKnown(dir: string): string {
    if (this.#parts.jobs.runs.find(dir)) return dir;
    throw new UserError('This run no longer exists. Select another run.');
  }

  #knownOrNull(dir: string | null): string | null {
    return dir !== null && this.#parts.jobs.runs.find(dir) ? dir : null;
  }

  /** The newest active run, which a page without a run shows first. */
  #newestActiveRun(): string | null {
    return this.#parts.jobs.runs.runs.find(({ state }) => !isOver(state))?.dir ?? null;
  }

  #closeFeeds(): void {
    for (const feed of this.#feeds()) feed.close();
    this.#shown = null;
    this.#compared.clear();
  }

  #feeds(): RunFeed[] {
    return [...(this.#shown ? [this.#shown] : []), ...this.#compared.values()];
  }

  async #show(dir: string | null): Promise<void> {
    this.#shown?.close();
    this.#shown = null;
    if (dir === null) {
      this.#send({ kind: 'run', role: 'shown', contents: null });
      return;
    }
    this.#shown = this.#feed('shown', dir);
    await this.#shown.update();
  }

  /** Compares a run with the shown one, or stops doing so. */
  async #compare(dir: string, compare: boolean): Promise<void> {
    this.#compared.get(dir)?.close();
    this.#compared.delete(dir);
    if (!compare) {
      this.#send({ kind: 'run', role: 'compared', dir, contents: null });
      return;
    }
    if (this.#compared.size >= mostComparedRuns)
      throw new UserError(`You can compare at most ${mostComparedRuns} runs with the shown one.`);
    const feed = this.#feed('compared', dir);
    this.#compared.set(dir, feed);
    await feed.update();
  }

  #feed(role: RunFeed['role'], dir: string): RunFeed {
    const { runs } = this.#parts.jobs;
    return new RunFeed(
      { dir: this.#requireKnown(dir), role },
      (each) => runs.find(each),
      (update) => this.#send(update),
    );
  }

  async #showSamples({ dir, step, offset }: Extract<PanelRequest, { kind: 'show-samples' }>): Promise<void> {
    const samples = await readSamples(this.#requireKnown(dir), step);
    const records = samples
      .slice(offset, offset + samplesPerPage)
      .map(({ prompt, completion, rewards, advantage }) => ({
        prompt,
        completion,
        rewards,
        advantage,
      }));
    this.#send({ kind: 'samples', dir, step, offset, total: samples.length, records });
  }

  async #denoiseSample({ dir, step, index }: Extract<PanelRequest, { kind: 'denoise-sample' }>): Promise<void> {
    const where = { dir: this.#requireKnown(dir), step, index };
    const denoising = await this.#parts.runtime.request<Denoising>(sampleDenoising, where);
    this.#send({ kind: 'sample-denoising', step, index, denoising });
  }

  /** Completes at the cursor of the last editor and sends every step. A new request cancels the previous one. */
  async #denoiseHere({ seed, alternatives }: Extract<PanelRequest, { kind: 'denoise-here' }>): Promise<void> {
    const editor = this.#parts.lastEditor.editor;
    if (!editor) throw new UserError('There is no editor to complete in. Open a file and place the cursor first.');
    this.#denoising?.cancel();
    const denoising = new vscode.CancellationTokenSource();
    this.#denoising = denoising;
    const { document, selection } = editor;
    const { line, character } = selection.active;
    const parameters: DenoiseParameters = { uri: document.uri.toString(), line, character, seed, alternatives };
    try {
      const result = await this.#parts.runtime.requestWithPartialResults<DenoiseResult, DenoisingFrame>(
        denoiseHere,
        parameters,
        ({ alternative, frame }) => {
          if (!denoising.token.isCancellationRequested) this.#send({ kind: 'denoise-frame', alternative, frame });
        },
        denoising.token,
      );
      const file = vscode.workspace.asRelativePath(document.uri);
      if (!denoising.token.isCancellationRequested) this.#send({ kind: 'denoised', result, file });
    } catch (error) {
      // The page cancelled this request or sent a new one.
      if (!denoising.token.isCancellationRequested) throw error;
    } finally {
      denoising.dispose();
      if (this.#denoising === denoising) this.#denoising = null;
    }
  }

  #sendRuntime(): void {
    const { state } = this.#parts.runtime;
    const status = state.kind === 'running' ? state.status : null;
    const { summary } = describeState(state, true);
    const ready = state.kind === 'running' && status?.state !== 'failed' && status?.state !== 'evicted';
    this.#send({ kind: 'runtime', ready, model: status?.model ?? null, summary });
  }

  #sendRuns(): void {
    if (!this.#ready) return;
    this.#send({ kind: 'runs', runs: this.#parts.jobs.runs.runs });
    this.#updateFeeds(() => true);
  }

  #pollActiveRuns(): void {
    if (this.visible) this.#updateFeeds((dir) => this.#parts.jobs.runs.find(dir)?.state === 'running');
  }

  #updateFeeds(isShown: (dir: string) => boolean): void {
    if (!this.visible) return;
    for (const feed of this.#feeds())
      if (isShown(feed.dir))
        void feed.update().catch((error: unknown) => this.#parts.log.warn(`${feed.dir}: ${messageOf(error)}`));
  }

  /** A hidden page gets no updates: it requests everything again when it is shown. */
  #send(update: PanelUpdate): void {
    if (this.visible) void this.#container.webview.postMessage(update);
  }
}
