import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import { messageOf, UserError } from '../../platform/errors.ts';
import type { EvaluationReport, EvaluationRequest, EvaluationUpdate } from '../../protocol/evaluation.ts';
import { readAnswers } from '../../runs/reader.ts';
import type { RunUnmask } from '../ask-unmask.ts';
import { commands } from '../contributions.ts';
import { fillWebview } from '../fill-webview.ts';
import { parseEvaluationRequest } from './evaluation-request.ts';

const viewType = 'unmask.evaluation';

/** State of a page that survives reloading the window. */
const savedState = z.object({ dir: z.string().min(1), against: z.string().min(1).nullable() });

/** What a page compares with: the previous evaluation with common problems, a certain one, or none. */
type ComparedWith = { readonly kind: 'previous' | 'none' } | { readonly kind: 'named'; readonly dir: string };

/** The evaluation pages, one editor tab each. */
export class EvaluationPages implements vscode.Disposable {
  readonly #dist: vscode.Uri;
  readonly #ask: RunUnmask;
  readonly #log: vscode.LogOutputChannel;
  readonly #open = new Map<string, EvaluationPage>();
  readonly #serializer: vscode.Disposable;

  constructor(context: vscode.ExtensionContext, ask: RunUnmask, log: vscode.LogOutputChannel) {
    this.#dist = vscode.Uri.joinPath(context.extensionUri, 'dist');
    this.#ask = ask;
    this.#log = log;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(viewType, {
      deserializeWebviewPanel: async (panel, state) => {
        const kept = savedState.safeParse(state).data;
        if (!kept || this.#open.has(kept.dir)) panel.dispose();
        else
          this.#take(panel, kept.dir, kept.against === null ? { kind: 'none' } : { kind: 'named', dir: kept.against });
      },
    });
  }

  /** Shows an evaluation in its tab and waits until the page has its report. Throws a `UserError` if there is no report. */
  async show(dir: string, against?: string): Promise<void> {
    const baseline: ComparedWith = against === undefined ? { kind: 'previous' } : { kind: 'named', dir: against };
    const known = this.#open.get(dir);
    if (known) {
      known.reveal();
      if (against !== undefined) await known.compare(baseline);
      return;
    }
    const panel = vscode.window.createWebviewPanel(viewType, 'Evaluation', vscode.ViewColumn.Active, {
      enableFindWidget: true,
    });
    try {
      await this.#take(panel, dir, baseline).shown;
    } catch (error) {
      // The error is shown as a message, so the empty tab is closed.
      panel.dispose();
      throw error;
    }
  }

  /** Closes the tab of a deleted evaluation. */
  close(dir: string): void {
    this.#open.get(dir)?.dispose();
  }

  dispose(): void {
    this.#serializer.dispose();
    for (const page of this.#open.values()) page.dispose();
  }

  #take(panel: vscode.WebviewPanel, dir: string, against: ComparedWith): EvaluationPage {
    const page = new EvaluationPage(panel, this.#dist, dir, against, this.#ask, this.#log);
    this.#open.set(dir, page);
    panel.onDidDispose(() => this.#open.delete(dir));
    return page;
  }
}

/** One page: answers its requests. */
class EvaluationPage {
  readonly #panel: vscode.WebviewPanel;
  readonly #dir: string;
  readonly #ask: RunUnmask;
  readonly #log: vscode.LogOutputChannel;
  #against: ComparedWith;
  #report: EvaluationReport | null = null;
  #firstShown: { resolve(): void; reject(error: unknown): void } | null = null;
  /** Settles with the first report. */
  readonly shown: Promise<void>;

  constructor(
    panel: vscode.WebviewPanel,
    dist: vscode.Uri,
    dir: string,
    against: ComparedWith,
    ask: RunUnmask,
    log: vscode.LogOutputChannel,
  ) {
    this.#panel = panel;
    this.#dir = dir;
    this.#against = against;
    this.#ask = ask;
    this.#log = log;
    this.shown = new Promise((resolve, reject) => {
      this.#firstShown = { resolve, reject };
    });
    // Prevents an unhandled rejection if no caller waits for it.
    this.shown.catch(() => undefined);
    const { webview } = panel;
    webview.onDidReceiveMessage((message: unknown) => {
      const request = parseEvaluationRequest(message);
      if (request) void this.#answer(request);
    });
    fillWebview(webview, dist, 'evaluation', 'Unmask: Evaluation');
    panel.title = path.basename(dir);
    panel.onDidDispose(() => this.#settle(new UserError('The page was closed.')));
  }

  reveal(): void {
    this.#panel.reveal();
  }

  async compare(against: ComparedWith): Promise<void> {
    this.#against = against;
    await this.#answer({ kind: 'ready' });
  }

  dispose(): void {
    this.#panel.dispose();
  }

  async #answer(request: EvaluationRequest): Promise<void> {
    try {
      await this.#handle(request);
      this.#settle();
    } catch (error) {
      this.#log.warn(`${this.#dir}: ${messageOf(error)}`);
      this.#send({ kind: 'failed', request: request.kind, reason: messageOf(error) });
      this.#settle(error);
    }
  }

  async #handle(request: EvaluationRequest): Promise<void> {
    switch (request.kind) {
      case 'ready':
        return this.#sendFirstReport();
      case 'compare':
        // Only an evaluation from the list: the page shows text of a model and is not trusted with paths.
        if (request.against !== null && !this.#report?.others.some(({ dir }) => dir === request.against))
          throw new UserError('This evaluation is not in the list of comparable ones. Reopen the page and try again.');
        this.#against = request.against === null ? { kind: 'none' } : { kind: 'named', dir: request.against };
        return this.#sendReport();
      case 'show-answers':
        return this.#sendAnswers(request.problem);
      case 'export':
        await vscode.commands.executeCommand(commands.exportEvaluation, this.#dir, request.format);
    }
  }

  /** If the comparison fails, the page shows the report without it, and the reason. */
  async #sendFirstReport(): Promise<void> {
    try {
      await this.#sendReport();
    } catch (error) {
      if (this.#against.kind === 'none') throw error;
      this.#against = { kind: 'none' };
      await this.#sendReport();
      this.#log.warn(`${this.#dir}: ${messageOf(error)}`);
      this.#send({ kind: 'failed', request: 'compare', reason: messageOf(error) });
    }
  }

  async #sendReport(): Promise<void> {
    const against = this.#against;
    const action = against.kind === 'none' ? 'show' : 'compare';
    const named = against.kind === 'named' ? ['--against', against.dir] : [];
    const report = await this.#ask<EvaluationReport>(['evaluations', action, this.#dir, ...named]);
    this.#report = report;
    const { model, task } = report.evaluation;
    this.#panel.title = `Evaluation: ${model === null ? '' : `${path.basename(model)} · `}${task}`;
    this.#send({ kind: 'report', report });
  }

  /** Reads the answers in this process, because starting a program would take too long for a click. */
  async #sendAnswers(problem: string): Promise<void> {
    const of = async (dir: string | undefined) =>
      dir === undefined ? [] : (await readAnswers(dir)).filter((answer) => answer.problem === problem);
    const [shown, compared] = await Promise.all([of(this.#dir), of(this.#report?.compared?.dir)]);
    if (shown.length === 0) throw new UserError(`${this.#dir} no longer has an answer to this problem.`);
    this.#send({ kind: 'answers', problem, shown, compared });
  }

  #send(update: EvaluationUpdate): void {
    void this.#panel.webview.postMessage(update);
  }

  #settle(error?: unknown): void {
    if (error === undefined) this.#firstShown?.resolve();
    else this.#firstShown?.reject(error);
    this.#firstShown = null;
  }
}
