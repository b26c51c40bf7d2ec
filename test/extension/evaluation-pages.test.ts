import assert from 'node:assert/strict';
import { register } from 'node:module';
import { it } from 'node:test';
import type { EvaluationRequest, EvaluationUpdate } from '../../src/protocol/evaluation.ts';

/** What the pages need of `vscode`, with the panel of the test. */
const fake = `
  export const Uri = { joinPath: () => '' };
  export const ViewColumn = { Active: -1 };
  export const window = {
    registerWebviewPanelSerializer: () => ({ dispose() {} }),
    createWebviewPanel: () => globalThis.evaluationPanel,
  };`;
const module = `data:text/javascript,${encodeURIComponent(fake)}`;
const hooks = `export const resolve = (name, context, next) =>
  name === 'vscode' ? { url: ${JSON.stringify(module)}, format: 'module', shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { EvaluationPages } = await import('../../src/extension/evaluations/evaluation-pages.ts');

it('an evaluation that cannot be compared is shown without a comparison and with the reason', async () => {
  const sent: EvaluationUpdate[] = [];
  let ended = () => {};
  let ask = (_: EvaluationRequest) => {};
  const webview = {
    asWebviewUri: () => '',
    onDidReceiveMessage: (listener: typeof ask) => {
      ask = listener;
    },
    postMessage: (update: EvaluationUpdate) => sent.push(update),
  };
  const onDidDispose = (listener: () => void) => {
    ended = listener;
  };
  let disposed = false;
  const dispose = () => {
    disposed = true;
    ended();
  };
  Object.assign(globalThis, { evaluationPanel: { webview, onDidDispose, dispose, reveal() {} } });
  const asked: (readonly string[])[] = [];
  const program = async (args: readonly string[]) => {
    asked.push(args);
    if (args[1] === 'compare') throw new Error('They have no problem in common.');
    return { evaluation: { model: 'tiny', task: 'sudoku4x4' } };
  };
  const parts = [{ extensionUri: '' }, program, { warn: () => {} }];
  const pages = new EvaluationPages(...(parts as unknown as ConstructorParameters<typeof EvaluationPages>));
  const shown = pages.show('/one', '/other');
  ask({ kind: 'ready' });
  await shown;
  assert.deepEqual(asked, [
    ['evaluations', 'compare', '/one', '--against', '/other'],
    ['evaluations', 'show', '/one'],
  ]);
  assert.deepEqual(
    sent.map((update) => (update.kind === 'failed' ? update.reason : update.kind)),
    ['report', 'They have no problem in common.'],
  );
  assert.equal(disposed, false);
});
