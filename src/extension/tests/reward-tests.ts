import path from 'node:path';
import * as vscode from 'vscode';
import type { DiscoveryDocument, DryRunDocument, DryRunFunction, FoundTask } from '../../protocol/discovery.ts';
import { printableLine } from '../../protocol/printable.ts';
import { signalOf } from '../abort-signal.ts';
import type { RunUnmask } from '../ask-unmask.ts';
import { tasksByFile, writeChosen } from './chosen-tasks.ts';

/**
 * The tests that form the reward, in the Test Explorer: files, their functions, and the tests that cover each function.
 * They run in the same way as for a reward: in the sandbox, on a copy of the workspace.
 */
export class RewardTests implements vscode.Disposable {
  readonly #controller = vscode.tests.createTestController('unmask.reward', 'Unmask Reward');
  readonly #ask: RunUnmask;
  readonly #scored: (result: DryRunDocument) => void;
  readonly #functions = new Map<vscode.TestItem, number>();
  #found: DiscoveryDocument | null = null;

  /** @param scored called with the result of every dry run */
  constructor(ask: RunUnmask, showError: (error: unknown) => void, scored: (result: DryRunDocument) => void) {
    this.#ask = ask;
    this.#scored = scored;
    this.#controller.createRunProfile(
      'Run as Reward',
      vscode.TestRunProfileKind.Run,
      (request, token) => this.#run(request, token).catch(showError),
      true,
    );
  }

  show(found: DiscoveryDocument | null): void {
    this.#found = found;
    this.#functions.clear();
    this.#controller.items.replace(found ? this.#items(found) : []);
  }

  /** Scores the current code with the tests that cover these functions, and reports to Test Results. */
  async score(indices: readonly number[], signal: AbortSignal): Promise<DryRunDocument> {
    const items = [...this.#functions].flatMap(([item, index]) => (indices.includes(index) ? [item] : []));
    return this.#score(new vscode.TestRunRequest(items), signal);
  }

  dispose(): void {
    this.#controller.dispose();
  }

  #items(found: DiscoveryDocument): vscode.TestItem[] {
    const create = (id: string, label: string, file: string, line?: number) => {
      const item = this.#controller.createTestItem(
        id,
        printableLine(label),
        vscode.Uri.file(path.join(found.workspace, file)),
      );
      if (line !== undefined) item.range = new vscode.Range(line - 1, 0, line - 1, 0);
      return item;
    };
    return [...tasksByFile(found)].map(([file, indices]) => {
      const parent = create(file, file, file);
      for (const index of indices) {
        const { function: name, line, tests } = found.tasks[index] as FoundTask;
        const item = create(`${file} ${name} ${line}`, name, file, line);
        this.#functions.set(item, index);
        for (const [testFile, ids] of Object.entries(tests))
          for (const id of ids) {
            const test = create(`${testFile} ${id}`, id, testFile);
            test.description = printableLine(testFile);
            item.children.add(test);
          }
        parent.children.add(item);
      }
      return parent;
    });
  }

  async #run(request: vscode.TestRunRequest, token: vscode.CancellationToken): Promise<void> {
    await this.#score(request, signalOf(token));
  }

  async #score(request: vscode.TestRunRequest, signal: AbortSignal): Promise<DryRunDocument> {
    const found = this.#found as DiscoveryDocument;
    const items = this.#chosenBy(request);
    const run = this.#controller.createTestRun(request, 'Unmask reward');
    try {
      for (const item of items) for (const [, test] of item.children) run.started(test);
      const indices = items.map((item) => this.#functions.get(item) as number);
      const data = await writeChosen(found, indices);
      const result = await this.#ask<DryRunDocument>(['dry-run', '--data', data], signal);
      // The rows of the file are in the order of the task indices.
      const inOrder = [...items].sort((a, b) => (this.#functions.get(a) ?? 0) - (this.#functions.get(b) ?? 0));
      for (const [index, item] of inOrder.entries())
        reportResults(run, item, result.functions[index] as DryRunFunction);
      this.#scored(result);
      return result;
    } finally {
      run.end();
    }
  }

  /** The functions of a request: those it includes itself, or through one of their tests or their file. */
  #chosenBy({ include, exclude }: vscode.TestRunRequest): vscode.TestItem[] {
    const isIn = (items: readonly vscode.TestItem[] | undefined, item: vscode.TestItem) =>
      items?.some((one) => one === item || one === item.parent || item.children.get(one.id) === one) ?? false;
    return [...this.#functions.keys()].filter(
      (item) => (include === undefined || isIn(include, item)) && !isIn(exclude, item),
    );
  }
}

function reportResults(run: vscode.TestRun, item: vscode.TestItem, { tests, reason, seconds }: DryRunFunction): void {
  const milliseconds = 1000 * seconds;
  const results = new Map(tests.map((test) => [test.id, test]));
  for (const [, test] of item.children) {
    const result = results.get(test.label);
    if (result?.passed) run.passed(test, milliseconds);
    else
      run.failed(
        test,
        new vscode.TestMessage(result?.message ?? reason ?? 'The test runner did not report this test.'),
        milliseconds,
      );
  }
}
