import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { listCheckpoints } from '../../src/runs/checkpoints.ts';
import { runWarnings } from '../../src/runs/health.ts';
import { evaluationsOf, readEvents, readStatus, stepsOf } from '../../src/runs/reader.ts';
import { type RunningJob, runJob } from '../../src/runs/run-job.ts';
import type { RunWriter } from '../../src/runs/writer.ts';
import { trainingState } from '../../src/training/trainer.ts';
import { freshProgress, readProgress } from '../../src/training/training-checkpoint.ts';
import {
  runTrainingJob,
  type TrainedStep,
  type TrainingHooks,
  type TrainingJob,
} from '../../src/training/training-job.ts';
import { startTuning } from '../../src/tuning/tuning-run.ts';
import { oneThread, tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { newRun } from '../runs/example.ts';
import { temporaryFolder, tinyTuning } from './tiny-runs.ts';

let root: string;
let model: LanguageModel;
before(async () => {
  root = await temporaryFolder();
  const checkpoint = tinyCheckpoint();
  model = await LanguageModel.load(oneThread(), checkpoint, trainingState(checkpoint.config));
});
after(async () => {
  await model.dispose();
  await rm(root, { recursive: true });
});

const scoreOf = (value: number) => ({
  task: 'sudoku4x4',
  split: 'validation',
  n: 1,
  metrics: { solved: { value, low: 0, high: 1 } },
  seconds: 0,
});

/** Runs the loop as a job, by default with a method that only reports; `changes` overrides options of the loop. */
async function train(changes: Partial<TrainingJob> = {}, hooks: TrainingHooks = {}) {
  let dir = '';
  const work = (job: RunningJob) =>
    runTrainingJob({
      job,
      model,
      method: { step: async (step) => ({ metrics: { loss: 1 / step }, tokens: 10 }) },
      progress: freshProgress,
      steps: 7,
      timeLimit: null,
      schedule: { evaluate_every: 0, checkpoint_every: 0 },
      hooks,
      ...changes,
    });
  const onStart = (run: RunWriter) => {
    dir = run.dir;
    hooks.onStart?.(run);
  };
  const location = { root, run: newRun };
  const done = runJob({ location, hooks: { ...hooks, onStart }, work });
  return { done: await done.catch((error: Error) => error), dir };
}

/** The same, for a job that must finish. */
async function trained(...options: Parameters<typeof train>) {
  const { done, dir } = await train(...options);
  if (done instanceof Error) throw done;
  return { done, dir };
}

describe('the training loop', () => {
  it('warns of a weight that is far larger than the others of its tensor', async () => {
    const [name] = [...model.trained].find(([, shape]) => shape.reduce((a, b) => a * b, 1) > 100)!;
    const sound = await model.state.read(name);
    const method = {
      step: async (step: number) => ({ metrics: { loss: 1 / step }, tokens: 10 }),
      evaluate: async () => scoreOf(0.5),
    };
    const warnings: string[] = [];
    const onWarning = (text: string) => void warnings.push(text);
    await trained({ method, steps: 1 }, { onWarning });
    assert.deepEqual(warnings, []);
    const spoiled = sound.data.slice();
    spoiled[3] = 1e6;
    await model.state.write(name, { ...sound, data: spoiled });
    try {
      const { dir } = await trained({ method, steps: 1 }, { onWarning });
      assert.match(warnings[0]!, new RegExp(`^After step 0, a weight of ${name} is .* times the root mean square`));
      const [warning] = runWarnings(await readEvents(dir), await readStatus(dir));
      assert.equal(warning!.kind, 'outlier');
    } finally {
      await model.state.write(name, sound);
    }
  });

  it('makes its steps, counts tokens, and saves at the end even if nothing was due before', async () => {
    const seen: (number | null)[] = [];
    const { done, dir } = await trained({}, { onStep: (_, eta) => seen.push(eta) });
    assert.deepEqual([done.step, done.num_tokens], [7, 70]);
    assert.ok(seen.every((eta) => eta !== null && eta >= 0) && seen.at(-1) === 0, String(seen));
    const events = stepsOf(await readEvents(dir));
    assert.deepEqual(
      events.map(({ step, loss, num_tokens }) => [step, loss, num_tokens]),
      [1, 2, 3, 4, 5, 6, 7].map((step) => [step, 1 / step, 10 * step]),
    );
    assert.deepEqual(
      (await listCheckpoints(dir)).map(({ step }) => step),
      [7],
    );
    assert.deepEqual((await readProgress((await listCheckpoints(dir))[0]!.dir)).progress, done);
  });

  it('evaluates and saves as configured, and keeps the best checkpoint and the last three', async () => {
    const scores = [0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7];
    let evaluations = 0;
    const { done, dir } = await trained({
      schedule: { evaluate_every: 1, checkpoint_every: 3 },
      method: {
        step: async () => ({ metrics: {}, tokens: 1 }),
        evaluate: async () => scoreOf(scores[evaluations++]!),
        bestBy: 'solved',
      },
    });
    assert.deepEqual(done.best, { step: 2, score: 0.9 });
    const kept = (await listCheckpoints(dir)).map(({ step }) => step);
    assert.deepEqual(kept, [2, 3, 6, 7]);
    assert.equal(evaluationsOf(await readEvents(dir)).length, 8);
  });

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    it(`stops at a metric of ${bad} and reports which, in which step, and what to do`, async () => {
      const { done, dir } = await train({
        schedule: { evaluate_every: 0, checkpoint_every: 2 },
        method: { step: async (step) => ({ metrics: { loss: 1, grad_norm: step === 3 ? bad : 1 }, tokens: 1 }) },
      });
      const message = `Step 3 gave grad_norm = ${bad}, so the weights are lost; resume from the last checkpoint with a lower learning_rate.`;
      assert.deepEqual([(done as Error).name, (done as Error).message], ['UserError', message]);
      assert.equal(stepsOf(await readEvents(dir)).length, 2, 'the log contains no such number');
      assert.deepEqual(
        (await listCheckpoints(dir)).map(({ step }) => step),
        [2],
      );
      assert.equal((await readStatus(dir)).state, 'failed');
    });

  it('keeps the configured number of checkpoints, and the best one', async () => {
    const scores = [0, 0, 9, 1, 2, 3, 4, 5];
    let evaluated = 0;
    const { dir } = await trained({
      schedule: { evaluate_every: 1, checkpoint_every: 1, keep_checkpoints: 2 },
      method: {
        step: async () => ({ metrics: {}, tokens: 1 }),
        evaluate: async () => scoreOf(scores[evaluated++] as number),
        bestBy: 'solved',
      },
    });
    assert.deepEqual(
      (await listCheckpoints(dir)).map(({ step }) => step),
      [2, 6, 7],
    );
  });

  it('ends at its time limit or its number of steps, whichever comes first', async () => {
    const slow = {
      step: async () =>
        new Promise<TrainedStep>((resolve) => setTimeout(() => resolve({ metrics: {}, tokens: 1 }), 20)),
    };
    const etas: (number | null)[] = [];
    const timed = { steps: null, timeLimit: 0.05, method: slow };
    const { done } = await trained(timed, { onStep: (_, eta) => etas.push(eta) });
    assert.ok(done.step <= 4 && done.seconds >= 0.05, JSON.stringify(done));
    assert.ok(etas.every((eta) => eta !== null && eta < 0.05));
    const { done: both } = await trained({ steps: 1, timeLimit: 100, method: slow });
    assert.equal(both.step, 1);
  });
});

describe('a run that fails', () => {
  it('because numbers overflow is left as failed, with the cause in its status', async () => {
    const checkpoint = tinyCheckpoint();
    for (const { data } of checkpoint.weights.values()) data.fill(3e38);
    const folder = path.join(root, 'overflowing');
    await writeCheckpoint(folder, checkpoint);
    let dir = '';
    const onStart = (run: RunWriter) => {
      dir = run.dir;
    };
    await assert.rejects(startTuning(oneThread(), root, tinyTuning(folder), { onStart }), {
      name: 'UserError',
      message: /^Step \d gave loss = NaN/,
    });
    const { state, error } = await readStatus(dir);
    assert.equal(state, 'failed');
    assert.match(error!, /^Step \d gave loss = NaN/);
    assert.ok(!(await readdir(dir)).includes('lock.json'));
  });

  it('before its start leaves no run directory', async () => {
    const folder = await writeTinyCheckpoint(path.join(root, 'fine'));
    const runs = path.join(root, 'none');
    const wrong: readonly [object, object, RegExp][] = [
      [{ task: 'nosuch' }, {}, /Unknown task nosuch/],
      [{ objective: 'nosuch' }, {}, /Unknown objective nosuch/],
      [{ model: 'nosuch' }, {}, /There is no model nosuch/],
      [{ task: 'gsm8k' }, {}, /gsm8k has no problems of its own; give a file with --data/],
      [{ data: path.join(root, 'nowhere.jsonl') }, {}, /nowhere\.jsonl does not exist/],
      [{ steps: null, timeLimit: 5 }, {}, /lr_schedule = cosine needs --steps/],
      [{}, { reward: 'nosuch' }, /Unknown reward nosuch/],
      [{}, { task_options: { nosuch: 1 } }, /nosuch/],
      [{}, { block: 4, decoding_steps: 3 }, /needs at least 4 steps, not 3/],
      [{}, { length: 60 }, /77 tokens is longer than the model's 64/],
    ];
    for (const [request, settings, message] of wrong)
      await assert.rejects(startTuning(oneThread(), runs, tinyTuning(folder, request, settings)), (error: Error) => {
        assert.match(error.message, message);
        assert.match(error.name, /^(UserError|UsageError)$/);
        return true;
      });
    await assert.rejects(readdir(runs), { code: 'ENOENT' });
  });

  it('because its training state is invalid names the file', async () => {
    const { dir, checkpoint } = await startTuning(
      oneThread(),
      root,
      tinyTuning(await writeTinyCheckpoint(path.join(root, 'm')), { steps: 1, testProblems: 0 }),
    );
    assert.ok(dir);
    const file = path.join(checkpoint, 'state.json');
    const state = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...state, step: -1 }));
    await assert.rejects(readProgress(checkpoint), {
      name: 'UserError',
      message: /state\.json is not a training state/,
    });
    await rm(file);
    await assert.rejects(readProgress(checkpoint), { name: 'UserError', message: /state\.json does not exist/ });
  });
});
