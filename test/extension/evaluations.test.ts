import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { type EvalChoice, evalArguments, parseProblems } from '../../src/extension/evaluations/eval-choice.ts';
import { parseEvaluationRequest } from '../../src/extension/evaluations/evaluation-request.ts';
import { followStatus, increment, progressText } from '../../src/extension/evaluations/follow-evaluation.ts';
import type { RunStatus } from '../../src/protocol/run.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from '../runs/example.ts';

const choice: EvalChoice = {
  suites: ['sudoku4x4', 'gsm8k'],
  data: { gsm8k: '/data/gsm8k test.jsonl' },
  model: '/models/my own',
  problems: 64,
};
const anything = { engine: 'auto', device: 'auto' };

test('a choice becomes arguments, one evaluation per suite', () => {
  assert.deepEqual(evalArguments(choice, 'sudoku4x4', anything), [
    ...['eval', '--task', 'sudoku4x4', '--model', '/models/my own', '--limit', '64'],
  ]);
  assert.deepEqual(evalArguments({ ...choice, problems: null }, 'gsm8k', { engine: 'onnx', device: 'cuda' }), [
    ...['eval', '--task', 'gsm8k', '--model', '/models/my own', '--data', '/data/gsm8k test.jsonl'],
    ...['--engine', 'onnx', '--device', 'cuda'],
  ]);
});

test('a number of problems is a whole number of at least 1, or all', () => {
  assert.deepEqual(['64', ' 1 ', 'all', 'ALL '].map(parseProblems), [64, 1, null, null]);
  for (const text of ['', ' ', '0', '-3', '1.5', 'many', '1e99']) assert.equal(parseProblems(text), undefined, text);
});

test('progress is reported in answers, with the remaining time once it is known', () => {
  const status = (changes: Partial<RunStatus>): RunStatus => ({
    ...{ state: 'running', step: 62, steps: 256, eta: 12.4, heartbeat: '2026-01-01T00:00:00.000Z' },
    ...changes,
  });
  assert.equal(progressText(status({})), '62 of 256 answers, 12 s left');
  assert.equal(progressText(status({ step: 0, eta: null })), '0 of 256 answers');
  assert.equal(progressText(status({ state: 'starting' })), 'starting');
  assert.equal(progressText(status({ state: 'paused' })), '62 of 256 answers, paused');
  assert.equal(increment(30, status({ step: 62, steps: 64 })), 50);
});

test('a job is followed until it ends or the caller stops', async (t) => {
  const root = await temporaryFolder();
  t.after(() => rm(root, { recursive: true }));
  const run = await RunWriter.create(root, newRun);
  const seen: string[] = [];
  const abort = new AbortController();
  abort.abort();
  assert.equal((await followStatus(run.dir, () => undefined, abort.signal)).state, 'starting');
  const followed = followStatus(run.dir, ({ state }) => void seen.push(state), new AbortController().signal);
  await run.progress(3, 1);
  await run.close('finished');
  assert.equal((await followed).state, 'finished');
  assert.equal(seen.at(-1), 'finished');
});

test('only requests that the page may make are accepted', () => {
  assert.deepEqual(parseEvaluationRequest({ kind: 'compare', against: null }), { kind: 'compare', against: null });
  assert.deepEqual(parseEvaluationRequest({ kind: 'export', format: 'csv' }), { kind: 'export', format: 'csv' });
  for (const message of [null, 'ready', { kind: 'run' }, { kind: 'compare' }, { kind: 'export', format: 'exe' }])
    assert.equal(parseEvaluationRequest(message), null, JSON.stringify(message));
});
