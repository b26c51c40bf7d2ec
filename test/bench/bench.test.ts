import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import type { BenchDocument } from '../../bench/bench.ts';
import { measurements } from '../../bench/measurements.ts';
import { prepareWork } from '../../bench/works.ts';
import { bundledPuzzleModel, findModel } from '../../src/catalogue/find-model.ts';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import { document, enterHome, refusal, unmask } from '../cli/unmask.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

let leave: () => Promise<void>;
before(async () => {
  ({ leave } = await enterHome());
});
after(() => leave());

const quick = ['--seconds', '0.05', '--engine', 'onnx', '--device', 'cpu'];

it('makes the requested measurements, and reports why there is no peer', async () => {
  const args = ['bench', '--only', 'forward:1x128,start-up', ...quick, '--python', '/nowhere/python'];
  const { machine, results, ...rest }: BenchDocument = await document(args);
  assert.deepEqual(rest, {});
  assert.equal(machine.engine, 'onnx');
  assert.equal(machine.device, 'cpu');
  assert.ok(machine.cores >= 1 && machine.memory > 0);
  assert.deepEqual(
    results.map(({ name, unit }) => [name, unit]),
    [
      ['forward:1x128', 'tokens/s'],
      ['start-up', 's'],
    ],
  );
  for (const { value } of results) assert.ok(value > 0 && Number.isFinite(value));
  const [forward] = results;
  assert.match(forward?.peer ?? '', /PyTorch.*not installed \(no \/nowhere\/python\)/);
  assert.equal(forward?.ratio, undefined);
});

it('a training step is measured together with its memory', async () => {
  const args = ['bench', '--only', 'train-step:memory,matmul', ...quick, '--python', '/nowhere/python'];
  const { results }: BenchDocument = await document(args);
  assert.deepEqual(
    results.map(({ name, unit }) => [name, unit]),
    [
      ['train-step:memory', 'MiB'],
      ['matmul', 'GFLOP/s'],
    ],
  );
  assert.ok(results[0]!.value > 50, 'a process with an engine in it is larger than that');
  assert.ok(results[1]!.value > 0 && Number.isFinite(results[1]!.value));
});

it('every workload runs and, unless it is random, returns the number that a peer must match', async () => {
  const puzzleModel = await findModel(bundledPuzzleModel);
  const engine = oneThread();
  for (const work of new Set(measurements.map((measurement) => measurement.work))) {
    const { run, parameters, dispose } = await prepareWork(work, engine, puzzleModel);
    const check = (await run())();
    if (work === 'rollouts') assert.equal(check, null);
    else assert.ok(Number.isFinite(check), `${work} comes to ${check}`);
    assert.equal(parameters === null, work === 'matmul');
    await dispose();
  }
});

it('profiles the time of a training step by operator', async () => {
  const { profile }: BenchDocument = await document(['bench', '--only', 'matmul', '--profile', ...quick]);
  assert.ok(profile && profile.length > 5);
  assert.ok(profile.some(({ operator }) => /MatMul|Gemm/.test(operator)));
  const share = profile.reduce((sum, operator) => sum + operator.share, 0);
  assert.ok(Math.abs(share - 1) < 1e-6, `the shares sum to ${share}`);
});

it('rejects an unknown result and an invalid time', async () => {
  assert.match(await refusal(['bench', '--only', 'forward,backward'], 2), /--only: there is no result backward;/);
  assert.match(await refusal(['bench', '--only', ''], 2), /--only: there is no result with an empty name;/);
  assert.match(await refusal(['bench', '--seconds', '0'], 2), /--seconds/);
  assert.match(await refusal(['bench', '--engine', 'onnx', '--device', 'abacus'], 2), /abacus/);
});

it('can be stopped', async () => {
  const stop = new AbortController();
  const args = ['bench', '--only', 'forward', ...quick, '--python', '/nowhere/python', '--json'];
  const ended = await unmask(args, { signal: stop.signal, onProgress: () => stop.abort() });
  assert.equal(ended.code, 130);
  assert.match(ended.stdout, /stopped before/);
});

it('measures completions as an editor requests them, and reports percentiles', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-bench-test-'));
  try {
    const model = path.join(folder, 'model');
    await writeCheckpoint(
      model,
      tinyCheckpoint({ attention: 'prefix-lm', eom_token_id: 3, max_position_embeddings: 256 }),
    );
    const line = 'export const total = items.map((item) => item.price * item.count).reduce((a, b) => a + b, 0);\n';
    await writeFile(path.join(folder, 'long.ts'), line.repeat(100));
    const names = 'completion-p50,completion-p95,completion-p95:lines';
    const { results, completions: both }: BenchDocument = await document([
      ...['bench', '--only', names, '--code-model', model, '--code-files', folder],
      ...['--requests', '12', ...quick],
    ]);
    assert.deepEqual(
      results.map(({ name, unit }) => [name, unit]),
      [
        ['completion-p50', 'ms'],
        ['completion-p95', 'ms'],
        ['completion-p95:lines', 'ms'],
      ],
    );
    assert.deepEqual(
      both?.map(({ multiline }) => multiline),
      ['auto', 'always'],
    );
    const completions = both[0]!;
    assert.equal(results[2]!.value, both[1]!.percentiles.p95);
    assert.equal(completions.requests, 12);
    assert.equal(completions.canvas, 64);
    assert.ok(completions.forwards >= 1 && completions.contextTokens > 0);
    const values = Object.values(completions.percentiles);
    assert.ok(values[0]! > 0);
    assert.deepEqual(
      values,
      values.toSorted((a, b) => a - b),
    );
    assert.equal(results[0]!.value, completions.percentiles.p50);
    assert.equal(results[0]!.met, results[0]!.value <= 300);
    await rm(path.join(folder, 'long.ts'));
    await writeFile(path.join(folder, 'short.ts'), line);
    const args = ['bench', '--only', 'completion-p50', '--code-model', model, '--code-files', folder, ...quick];
    assert.match(await refusal(args, 1), /No source file is long enough/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
