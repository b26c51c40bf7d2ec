import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { bundledFolder } from '../../src/catalogue/find-model.ts';
import type { CopyCandidate } from '../../src/copies/find-copies.ts';
import { bundledGate, gateFeatureNames } from '../../src/copies/gate.ts';
import { readGeneration, type SuggestionGate } from '../../src/model/generation.ts';
import { UserError } from '../../src/platform/errors.ts';
import { query, scriptedCompletions, written } from './scripted-completions.ts';

const never = new AbortController().signal;

/** A copy; by default one that is as likely to be right as a copy can be. */
const copy = (text: string, changes: Partial<CopyCandidate> = {}): CopyCandidate => ({
  text,
  source: { name: '/work/b.ts', line: 12 },
  matched: 60,
  following: 60,
  count: 6,
  files: 3,
  share: 1,
  topShare: 1,
  rival: 0,
  inDocument: false,
  isNear: true,
  distance: null,
  ...changes,
});
const weak: Partial<CopyCandidate> = {
  matched: 3,
  following: 0,
  count: 1,
  files: 1,
  share: 0.01,
  topShare: 0.01,
  rival: 9,
  isNear: false,
};
const at = query('const total = |\n');

/** Repeats a question until its answer fits. */
async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await settled();
  }
  throw new Error('The answer never fitted.');
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('copies', () => {
  it('that are likely are shown at once, and the alternatives of the model join them', async () => {
    const { completions } = scriptedCompletions(
      () => written(['sum(a);']),
      {},
      { copies: async () => [copy('sum(prices);')] },
    );
    const first = await completions.complete(at, never);
    assert.deepEqual(first.texts, ['sum(prices);']);
    assert.deepEqual([first.trace.source, first.trace.outcome, first.trace.forwards], ['copies', 'shown', 0]);
    const [shown] = first.trace.alternatives;
    assert.deepEqual(shown!.copiedFrom, { name: '/work/b.ts', line: 12, matched: 60, count: 6 });
    assert.ok(shown!.probability! > 0.5 && shown!.confidence === null);
    // The cached suggestion has one text until the model has answered.
    const again = await until(
      () => completions.complete(at, never),
      ({ texts }) => texts.length > 1,
    );
    assert.deepEqual([again.texts, again.trace.source], [['sum(prices);', 'sum(a);'], 'cache']);
  });

  it('that are unlikely wait for the model, and are shown after it if you ask', async () => {
    const parts = { copies: async () => [copy('sum(prices);', weak)] };
    const { completions, requests } = scriptedCompletions(() => written(['sum(a);'], 0.99), {}, parts);
    const { texts, trace } = await completions.complete({ ...at, trigger: 'invoked' }, never);
    assert.deepEqual([texts, trace.source, requests.length], [['sum(a);', 'sum(prices);'], 'model', 1]);
  });

  it('are one suggestion with an equal alternative of the model, which makes it more likely', async () => {
    const middling = copy('sum(prices);', { matched: 8, following: 0, share: 0.2, topShare: 0.2 });
    const { completions } = scriptedCompletions(
      () => written(['sum(prices);'], 0.9),
      {},
      { copies: async () => [middling] },
    );
    const { trace } = await completions.complete({ ...at, trigger: 'invoked' }, never);
    const alone = scriptedCompletions(() => written(['other();'], 0.9), {}, { copies: async () => [middling] });
    const { trace: before } = await alone.completions.complete({ ...at, trigger: 'invoked' }, never);
    const probability = before.alternatives.find(({ copiedFrom }) => copiedFrom)!.probability!;
    assert.equal(trace.alternatives.length, 1);
    assert.ok(trace.alternatives[0]!.probability! > probability);
    assert.equal(trace.alternatives[0]!.confidence, 0.9);
  });

  it('are explained where files cannot be read', async () => {
    const problem = '/work has 20001 files.';
    const { completions } = scriptedCompletions(
      () => written(['a;']),
      {},
      { copies: async () => [], copyProblems: () => [problem] },
    );
    const { trace } = await completions.complete(at, never);
    assert.match(trace.path.join('\n'), /Copies come from open documents only, .*20001 files\./);
    assert.match(trace.path.join('\n'), /No text of the workspace follows the same context\./);
  });

  it('are shown if there is no model', async () => {
    const fails = () => {
      throw new UserError('There is no model.');
    };
    const middling = copy('sum(prices);', { matched: 12, following: 4, rival: 12, share: 0.3, topShare: 0.3 });
    const { completions } = scriptedCompletions(fails, {}, { copies: async () => [middling] });
    const { texts, trace } = await completions.complete(at, never);
    assert.deepEqual([texts, trace.source], [['sum(prices);'], 'copies']);
    assert.match(trace.path.join('\n'), /There is no model\. Only copies can be shown\./);
    const none = scriptedCompletions(fails, {}, { copies: async () => [] });
    assert.equal((await none.completions.complete(at, never)).trace.outcome, 'no-model');
  });

  it('are all that is shown in a language that the model was not trained on', async () => {
    const unreadLanguage = async (language: string) => (language === 'python' ? 'm was not trained on python.' : null);
    const python = { ...at, languageId: 'python' };
    const { completions, requests } = scriptedCompletions(
      () => written(['x = 1']),
      {},
      { unreadLanguage, copies: async () => [copy('sum(prices)')] },
    );
    assert.deepEqual((await completions.complete(python, never)).texts, ['sum(prices)']);
    await settled();
    assert.equal(requests.length, 0);
    const alone = scriptedCompletions(() => written(['x = 1']), {}, { unreadLanguage });
    const { trace } = await alone.completions.complete(python, never);
    assert.deepEqual([trace.outcome, trace.reason], ['no-model', 'm was not trained on python.']);
    assert.deepEqual((await alone.completions.complete(at, never)).texts, ['x = 1']);
  });

  it('are not looked for if they are off, and break the same rules as the model', async () => {
    let looked = 0;
    const copies = async () => {
      looked++;
      return [copy('{ a: 1, a: 2 };')];
    };
    const { completions, settings } = scriptedCompletions(() => written(['sum(a);']), {}, { copies });
    const { trace } = await completions.complete({ ...at, trigger: 'invoked' }, never);
    assert.equal(trace.alternatives.find(({ copiedFrom }) => copiedFrom)!.discardedBy, 'repeats a key');
    settings.value = { ...settings.value, copies: false };
    completions.clearCache();
    await completions.complete(at, never);
    assert.equal(looked, 1);
  });
});

describe('the gate', () => {
  it('does not show unlikely suggestions while the user types, gives the reason, and shows them on request', async () => {
    const { completions } = scriptedCompletions(() => written(['sum(a);'], 0.4), { eagerness: 'careful' });
    const { texts, trace } = await completions.complete(at, never);
    assert.deepEqual([texts, trace.outcome], [[], 'discarded']);
    assert.equal(trace.reason, 'The only candidate was rejected: unlikely to be right.');
    const requests = scriptedCompletions(() => written(['sum(a);'], 0.4), { eagerness: 'careful' });
    assert.deepEqual((await requests.completions.complete({ ...at, trigger: 'invoked' }, never)).texts, ['sum(a);']);
  });

  it('is that of the model if the model has one', async () => {
    const gate = (threshold: number): SuggestionGate => ({
      about: 'a test',
      bias: 0,
      features: {},
      thresholds: { eager: threshold, balanced: threshold, careful: threshold },
    });
    for (const [threshold, texts] of [
      [0.4, ['sum(a);']],
      [0.6, []],
    ] as const) {
      const { completions } = scriptedCompletions(
        () => written(['sum(a);'], 0.4),
        { eagerness: 'careful' },
        { gate: async () => gate(threshold) },
      );
      const answer = await completions.complete(at, never);
      assert.deepEqual(answer.texts, texts);
      assert.equal(answer.trace.alternatives[0]?.probability, 0.5, 'a gate without weights says one half');
    }
  });

  it('of every bundled model weighs the features that there are', async () => {
    const gates = [bundledGate];
    for (const name of await readdir(bundledFolder())) {
      const { suggestion_gate: own } = await readGeneration(path.join(bundledFolder(), name));
      if (own) gates.push(own);
    }
    for (const { about, features, thresholds } of gates) {
      assert.deepEqual(Object.keys(features), gateFeatureNames, about);
      assert.ok(thresholds.eager <= thresholds.balanced && thresholds.balanced <= thresholds.careful, about);
    }
  });

  it('that is damaged is reported', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-gate-'));
    await writeFile(path.join(folder, 'generation_config.json'), '{"suggestion_gate": {"about": "x", "bias": "high"}}');
    await assert.rejects(readGeneration(folder), {
      name: 'UserError',
      message: /suggestion_gate\.bias must be a number/,
    });
    await rm(folder, { recursive: true });
  });

  it('shows more if it is eager than if it is careful', async () => {
    const shown: string[] = [];
    for (const eagerness of ['always', 'eager', 'balanced', 'careful'] as const)
      for (let confidence = 0.4; confidence < 1; confidence += 0.05) {
        const { completions } = scriptedCompletions(() => written(['sum(a);'], confidence), { eagerness });
        shown.push(...(await completions.complete(at, never)).texts.map(() => eagerness));
      }
    const times = (level: string) => shown.filter((one) => one === level).length;
    assert.ok(times('always') === 12 && times('always') >= times('eager'));
    assert.ok(times('eager') >= times('balanced') && times('balanced') >= times('careful'));
    assert.ok(times('always') > times('careful'));
  });
});

it('a very long line is not completed', async () => {
  const { completions, requests } = scriptedCompletions(() => written(['1,']));
  const { trace } = await completions.complete(query(`const data = [${'12,'.repeat(30_000)}|]`), never);
  assert.deepEqual([trace.outcome, requests.length], ['long-line', 0]);
  assert.match(trace.reason, /^The cursor is in a line of 90,01\d characters; lines of more than 2,000 are not/);
});
