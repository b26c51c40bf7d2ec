import assert from 'node:assert/strict';
import { register } from 'node:module';
import { it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { inlineProviders, LanguageClient } from './fake-vscode.ts';

const fake = new URL('fake-vscode.ts', import.meta.url).href;
const hooks = `export const resolve = (name, context, next) =>
  next(name === 'vscode' || name === 'vscode-languageclient/node' ? ${JSON.stringify(fake)} : name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { Runtime } = await import('../../src/extension/runtime.ts');
const { registerAnswerAfterRestart } = await import('../../src/extension/answer-after-restart.ts');

function newRuntime() {
  const silent = { info: () => {}, warn: () => {}, error: () => {} };
  const nodes = { get: async () => ({ file: 'node', version: '20.19.0', environment: {} }) };
  const parts = ['unmask.mjs', nodes, { name: 'm' }, silent] as unknown as ConstructorParameters<typeof Runtime>;
  return new Runtime(...parts);
}

it('two concurrent restarts leave one runtime, and the previous one has ended', async () => {
  const runtime = newRuntime();
  await runtime.restart();
  const [first] = LanguageClient.live;
  let end = () => {};
  LanguageClient.mayEnd = new Promise((resolve) => {
    end = resolve;
  });
  const restarts = [runtime.restart(), runtime.restart()];
  while (LanguageClient.live.size < 2) await setImmediate();
  end();
  await Promise.all(restarts);
  assert.equal(LanguageClient.live.size, 1);
  assert.ok(!LanguageClient.live.has(first!));
  assert.equal(runtime.state.kind, 'running');
  runtime.dispose();
});

it('a keystroke after a crash is answered when the runtime is back, without another keystroke', async () => {
  LanguageClient.mayEnd = Promise.resolve();
  const runtime = newRuntime();
  registerAnswerAfterRestart({ subscriptions: [] } as never, runtime);
  const ask = (isCancellationRequested = false) =>
    inlineProviders[0]!.provideInlineCompletionItems('document', 'position', 'context', { isCancellationRequested });
  await runtime.restart();
  assert.equal(await ask(), undefined, 'while the runtime runs, the language client answers');
  const [first] = [...LanguageClient.live].slice(-1);
  first!.crash();
  assert.equal(runtime.state.kind, 'restarting');
  const [answer, cancelled] = await Promise.all([ask(), ask(true)]);
  assert.deepEqual(answer, { answered: ['document', 'position', 'context'] });
  assert.equal(cancelled, undefined);
  assert.equal(runtime.state.kind, 'running');
  runtime.dispose();
});
