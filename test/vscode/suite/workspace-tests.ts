import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setup, suite, suiteSetup, suiteTeardown, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { UnmaskApi } from '../../../src/extension/extension.ts';
import type { DiscoveryDocument } from '../../../src/protocol/discovery.ts';
import { eventually, Messages } from './messages.ts';

const { Checked, Unchecked } = vscode.TreeItemCheckboxState;

suite('tests of the workspace', () => {
  let tests: UnmaskApi['trees']['tests'];
  let api: UnmaskApi;
  let messages: Messages;
  let found: DiscoveryDocument;
  const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
  suiteSetup(async () => {
    api = await vscode.extensions.getExtension<UnmaskApi>('unmask.unmask')!.activate();
    tests = api.trees.tests;
  });
  suiteTeardown(() => tests.choose(found.tasks.map((_, place) => place)));
  setup(() => {
    messages = new Messages();
  });
  teardown(() => messages.restore());

  const place = (name: string) => found.tasks.findIndex((task) => task.function === name);
  const item = (name: string) => tests.getTreeItem({ kind: 'function', task: place(name) });
  const boxOf = ({ checkboxState }: vscode.TreeItem) =>
    typeof checkboxState === 'object' ? checkboxState.state : checkboxState;

  test('are searched, and the functions that they cover appear in a tree with check boxes', async () => {
    assert.deepEqual(tests.getChildren(), []);
    found = (await vscode.commands.executeCommand<DiscoveryDocument>('unmask.findTests'))!;
    assert.deepEqual(messages.shown, []);
    assert.equal(found.workspace, folder);
    assert.deepEqual(tests.getChildren(), [
      { kind: 'file', file: 'src/basket.ts' },
      { kind: 'file', file: 'src/money.ts' },
      { kind: 'left out' },
    ]);
    const functions = tests.getChildren({ kind: 'file', file: 'src/money.ts' });
    const items = functions.map((node) => tests.getTreeItem(node));
    assert.deepEqual(
      items.map(({ label }) => label),
      ['parseMoney', 'formatMoney', 'addMoney', 'percentOf'],
    );
    assert.ok(items.every((one) => boxOf(one) === Checked));
    assert.match(String(item('percentOf').description), /^2 tests in 2 files/);
    const guarding = tests.getChildren({ kind: 'function', task: place('percentOf') });
    assert.deepEqual(
      guarding.map((node) => tests.getTreeItem(node).description),
      ['test/money.test.ts', 'test/basket.test.ts'],
    );
    const left = tests.getChildren({ kind: 'left out' }).map((node) => tests.getTreeItem(node));
    assert.deepEqual(left.find(({ label }) => label === 'negate')?.description, 'no test calls it');
  });

  test('are chosen by their check boxes: a function, or all of a file', () => {
    tests.check([[{ kind: 'file', file: 'src/basket.ts' }, Unchecked]]);
    tests.check([[{ kind: 'function', task: place('addMoney') }, Unchecked]]);
    const chosen = tests.chosen.map((one) => found.tasks[one]!.function).sort();
    assert.deepEqual(chosen, ['formatMoney', 'parseMoney', 'percentOf']);
    assert.equal(boxOf(item('addMoney')), Unchecked);
    const file = tests.getTreeItem({ kind: 'file', file: 'src/money.ts' });
    assert.equal(boxOf(file), Unchecked);
    assert.equal(file.description, '3 of 4 functions');
    const heldOut = chosen.filter((name) => / · held out for validation$/.test(String(item(name).description)));
    assert.equal(heldOut.length, 1, 'one chosen function is held out');
  });

  test('are the reward of a run started from the palette, with a report for every sample', async () => {
    const dir = await vscode.commands.executeCommand<string>('unmask.tuneOnTests', {
      functions: ['parseMoney', 'formatMoney', 'percentOf'],
      objective: 'spg-mixture',
      model: 'unmask-code',
      length: { steps: 1 },
      testProblems: 1,
      hyperparameters: {
        ...{ prompts_per_step: 2, group_size: 2, mask_samples: 1, inner_updates: 1, length: 16, decoding_steps: 4 },
        ...{ evaluate_every: 0, evaluation_problems: 1, trial_attempts: 4 },
      },
    });
    assert.deepEqual(messages.shown, []);
    const state = await eventually(
      'the run is over',
      async () => (await api.trees.runs.getTreeItem(dir!)).contextValue,
      (value) => /^run\.(finished|failed)\./.test(String(value)),
    );
    assert.equal(state, 'run.finished.tune');
    const samples = (await readFile(path.join(dir!, 'samples', 'step-000001.jsonl'), 'utf8')).trim().split('\n');
    assert.equal(samples.length, 4);
    for (const line of samples) {
      const { prompt, rewards, report } = JSON.parse(line);
      assert.match(prompt, /parseMoney|formatMoney|percentOf/);
      assert.deepEqual(Object.keys(rewards).sort(), ['format', 'parses', 'tests', 'total']);
      assert.match(report.outcome, /^(scored|failed)$/);
    }
    const result = JSON.parse(await readFile(path.join(dir!, 'result.json'), 'utf8'));
    const { split } = JSON.parse(await readFile(path.join(dir!, 'run.json'), 'utf8'));
    assert.deepEqual(split.counts, { training: 2, validation: 1, test: 0 });
    assert.deepEqual([result.before, result.after], [null, null], 'three functions are too few for a test part');
  });
});
