import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RunActivity } from '../../src/protocol/run.ts';
import { listCheckpoints } from '../../src/runs/checkpoints.ts';
import { evaluationsOf, readEvents, readStatus, stepsOf } from '../../src/runs/reader.ts';
import type { RunWriter } from '../../src/runs/writer.ts';
import { resumePretraining, startPretraining } from '../../src/training/pretraining-run.ts';
import type { TuningRequest } from '../../src/tuning/tuning-request.ts';
import { resumeTuning, startTuning, type TuningHooks } from '../../src/tuning/tuning-run.ts';
import { oneThread, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { trajectoryOf } from './run-files.ts';
import { temporaryFolder, tinyPretraining, tinyTuning } from './tiny-runs.ts';

let root: string;
let model: string;
before(async () => {
  root = await temporaryFolder();
  model = await writeTinyCheckpoint(path.join(root, 'model'));
});
after(() => rm(root, { recursive: true }));

/** Starts a tuning run that is stopped at the `count`th activity whose text matches. Returns its directory. */
async function stoppedAt(text: RegExp, request: TuningRequest, count = 1): Promise<string> {
  const abort = new AbortController();
  let dir = '';
  let met = 0;
  const hooks: TuningHooks = {
    signal: abort.signal,
    onStart: (run) => {
      dir = run.dir;
    },
    onActivity: (activity) => {
      if (text.test(activity.text) && ++met === count) abort.abort();
    },
  };
  await assert.rejects(startTuning(oneThread(), path.join(root, 'stopped'), request, hooks), { name: 'Interrupted' });
  assert.equal(met, count, 'nothing is started after the stop');
  assert.equal((await readStatus(dir)).state, 'interrupted');
  return dir;
}

const lastCheckpoint = async (dir: string) => (await listCheckpoints(dir)).at(-1)?.step;

describe('a tuning run that is stopped in the middle of a step', () => {
  for (const [objective, settings] of [
    ['spg-mixture', {}],
    // In the step that is stopped, the first method updates its teacher and the second its reference.
    ['dtm', { tilt_steps: 3, lr_schedule: 'constant' }],
    ['vrpo', { reference_every: 3 }],
  ] as const)
    it(`drops the step, and resumes to bit-identical parameters (${objective})`, async () => {
      const request = tinyTuning(model, { objective, testProblems: 0 }, { temperature: 1.5, ...settings });
      const { dir: straight } = await startTuning(oneThread(), path.join(root, 'straight'), request);
      const dir = await stoppedAt(/^step 4: rollouts 0 of 6/, request, 3);
      assert.equal(await lastCheckpoint(dir), 3, 'the last complete step is saved');
      assert.equal(stepsOf(await readEvents(dir)).length, 3);
      await resumeTuning(oneThread(), dir);
      assert.deepEqual(await trajectoryOf(dir), await trajectoryOf(straight));
    });

  it('completes the step if its update is under way', async () => {
    const request = tinyTuning(model, { testProblems: 0 }, { micro_batch: 1 });
    const { dir: straight } = await startTuning(oneThread(), path.join(root, 'straight'), request);
    const abort = new AbortController();
    let dir = '';
    let updated = 0;
    const stopping = startTuning(oneThread(), path.join(root, 'stopped'), request, {
      signal: abort.signal,
      onStart: (run) => {
        dir = run.dir;
      },
      onActivity: ({ text }) => {
        const [, step] = /^step (\d): update batches 1 of/.exec(text) ?? [];
        if (step === undefined || abort.signal.aborted) return;
        updated = Number(step);
        abort.abort();
      },
    });
    await assert.rejects(stopping, { name: 'Interrupted', message: /^Stopped after step \d\./ });
    assert.ok(updated > 0);
    assert.equal(await lastCheckpoint(dir), updated);
    await resumeTuning(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(dir), await trajectoryOf(straight));
  });
});

describe('a tuning run that is stopped during an evaluation', () => {
  let straight: Awaited<ReturnType<typeof trajectoryOf>>;
  before(async () => {
    straight = await trajectoryOf((await startTuning(oneThread(), path.join(root, 'straight'), tinyTuning(model))).dir);
  });

  for (const [when, text, count, saved] of [
    ['before the first step', /^validation: /, 2, undefined],
    ['between two steps', /^validation: answers 0 of 2$/, 6, 2],
    ['on the test problems before the first step', /^test: /, 2, undefined],
  ] as const)
    it(`${when} loses no step, and is evaluated again when it is resumed`, async () => {
      // The tiny model writes its answers in four steps, so that the sixth report is of the evaluation after step 2.
      const dir = await stoppedAt(text, tinyTuning(model), count);
      assert.equal(await lastCheckpoint(dir), saved);
      await resumeTuning(oneThread(), dir);
      assert.deepEqual(await trajectoryOf(dir), straight);
    });

  it('on the test problems after the last step loses no step either', async () => {
    const abort = new AbortController();
    let dir = '';
    const hooks: TuningHooks = {
      signal: abort.signal,
      onStart: (run) => {
        dir = run.dir;
      },
      onActivity: ({ text }) => {
        if (text.startsWith('test: ') && saved.step === 6) abort.abort();
      },
      onStep: ({ step }) => {
        saved.step = step;
      },
    };
    const saved = { step: 0 };
    await assert.rejects(startTuning(oneThread(), path.join(root, 'stopped'), tinyTuning(model), hooks), {
      name: 'Interrupted',
      message: /^Stopped after step 6\./,
    });
    assert.equal(await lastCheckpoint(dir), 6);
    await resumeTuning(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(dir), straight);
  });
});

describe('a time limit', () => {
  it('ends the step under way, and the run finishes with the steps before it, their evaluation and its result', async () => {
    const warnings: string[] = [];
    const seen = { steps: 0, validations: 0 };
    let dir = '';
    const request = tinyTuning(model, { steps: null, timeLimit: 30, testProblems: 2 }, { lr_schedule: 'constant' });
    // The limit's clock is fixed in this test: the second step waits until the limit is reached.
    const limit = { ...request, timeLimit: 1.5 };
    const result = await startTuning(oneThread(), path.join(root, 'timed'), limit, {
      onStart: (run) => {
        dir = run.dir;
      },
      onStep: ({ step }) => {
        seen.steps = step;
      },
      onWarning: (text) => warnings.push(text),
      onActivity: ({ text }) => {
        if (text.startsWith('validation')) seen.validations++;
        // Blocks as an engine does, for longer than the limit.
        if (/^step 2: rollouts 0 of 6$/.test(text)) {
          const end = performance.now() + 1_600;
          while (performance.now() < end);
        }
      },
    });
    assert.ok(result.steps <= 1 && result.steps === seen.steps, `${result.steps} steps`);
    assert.match(
      warnings.join('\n'),
      new RegExp(`^The time limit of 1.5 s ended step ${result.steps + 1} after \\d+ s; what it had done is dropped`),
    );
    assert.match(await readFile(path.join(dir, 'log.txt'), 'utf8'), /Warning: The time limit of 1\.5 s ended step/);
    assert.ok(result.after, 'the last evaluation is complete');
    assert.equal(await lastCheckpoint(dir), result.steps);
    assert.equal((await readStatus(dir)).state, 'finished');
    assert.ok(result.seconds >= 1.5, 'the time of the dropped step counts, so that the run is over');
    const events = await readEvents(dir);
    assert.equal(stepsOf(events).length, result.steps);
    const again = await resumeTuning(oneThread(), dir);
    assert.equal(again.steps, result.steps, 'resuming adds no step');
    assert.deepEqual(again.after, result.after);
  });
});

describe('progress within a step', () => {
  it('is reported from the first rollouts on, with an estimate before the first step is done', async () => {
    const activities: RunActivity[] = [];
    const later: string[] = [];
    const etas: (number | null)[] = [];
    let run: RunWriter | undefined;
    const { dir } = await startTuning(oneThread(), path.join(root, 'watched'), tinyTuning(model), {
      onStart: (started) => {
        run = started;
      },
      onActivity: (activity) => {
        if (!activity.text.startsWith('step 1: ')) return void later.push(activity.text);
        activities.push(activity);
        etas.push(run!.status.eta);
      },
    });
    const texts = activities.map(({ text }) => text);
    assert.equal(texts[0], 'step 1: rollouts 0 of 6');
    assert.ok(texts.includes('step 1: rollouts 6 of 6'), texts.join('\n'));
    assert.ok(texts.includes('step 1: preparing the update'), texts.join('\n'));
    // Some steps have no group with a variance to learn from.
    assert.ok([...texts, ...later].some((text) => /^step \d: update batches [1-9]\d* of \d+$/.test(text)));
    assert.deepEqual(activities[0]!.counts, [{ name: 'rollouts', done: 0, total: 6 }]);
    // After one denoising step of the first rollouts, there is an estimate of this step and of all six.
    const first = activities.findIndex(({ eta }) => eta !== null);
    assert.ok(first === 1, `the first estimate is in report ${first}`);
    assert.ok(activities[first]!.eta! > 0 && etas[first]! > activities[first]!.eta!, JSON.stringify(activities[first]));
    const log = await readFile(path.join(dir, 'log.txt'), 'utf8');
    for (const line of [
      /Started: tune on /,
      /Evaluating on 2 test problems after step 0\./,
      /Evaluated: cell_accuracy \d/,
      /Step 1: \d+\.\d s \(rollout \d+\.\d s, reward \d+\.\d s, update \d+\.\d s\), reward \d/,
      /Saved the checkpoint of step 6\./,
      /Finished\.\n$/,
    ])
      assert.match(log, line);
  });
});

describe('a pretraining run', () => {
  it('can be stopped during its evaluation, and resumes to the same model', async () => {
    const output = (name: string) => path.join(root, 'models', name);
    const runs = path.join(root, 'pretraining');
    const settings = { ...tinyPretraining('').settings, evaluate_every: 2, evaluation_problems: 2 };
    const request = (name: string) => tinyPretraining(output(name), { settings });
    const whole = await startPretraining(oneThread(), runs, request('whole'));
    const abort = new AbortController();
    let dir = '';
    let steps = 0;
    const stopping = startPretraining(oneThread(), runs, request('stopped'), {
      signal: abort.signal,
      onStart: (run) => {
        dir = run.dir;
      },
      onStep: ({ step }) => {
        steps = step;
      },
      onActivity: ({ text }) => {
        if (steps === 2 && text.startsWith('validation on countdown: answers 0')) abort.abort();
      },
    });
    await assert.rejects(stopping, { name: 'Interrupted', message: /^Stopped after step 2\./ });
    assert.deepEqual(
      evaluationsOf(await readEvents(dir)).map(({ step }) => step),
      [0],
      'the evaluation was ended before its result',
    );
    const { run } = await resumePretraining(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(run), await trajectoryOf(whole.run));
  });
});
