import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { readSafetensors } from '../../src/model/safetensors.ts';
import type { RunRequest } from '../../src/protocol/run.ts';
import { listCheckpoints } from '../../src/runs/checkpoints.ts';
import { requestControl } from '../../src/runs/control.ts';
import { deleteRun, readConfiguration } from '../../src/runs/directory.ts';
import { evaluationsOf, readEvents, readStatus, stepsOf } from '../../src/runs/reader.ts';
import type { RunWriter } from '../../src/runs/writer.ts';
import { resumePretraining, startPretraining } from '../../src/training/pretraining-run.ts';
import { resumeTuning, startTuning, type TuningHooks } from '../../src/tuning/tuning-run.ts';
import { oneThread, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { trajectoryOf } from './run-files.ts';
import { temporaryFolder, tinyPretraining, tinyTuning } from './tiny-runs.ts';

let root: string;
let model: string;
let whole: Awaited<ReturnType<typeof trajectoryOf>>;
before(async () => {
  root = await temporaryFolder();
  model = await writeTinyCheckpoint(path.join(root, 'model'));
  const { dir } = await startTuning(oneThread(), path.join(root, 'whole'), tinyTuning(model));
  whole = await trajectoryOf(dir);
});
after(() => rm(root, { recursive: true }));

/** Starts a tuning run that is stopped after `step` in the way that `how` names. Returns its directory. */
async function stoppedAfter(step: number, how: 'signal' | 'control', request = tinyTuning(model)): Promise<string> {
  const abort = new AbortController();
  let run: RunWriter | undefined;
  let stopRequest: Promise<string> | undefined;
  const hooks: TuningHooks = {
    signal: abort.signal,
    onStart: (started) => {
      run = started;
      if (step === 0) abort.abort();
    },
    onStep: (event) => {
      if (event.step !== step) return;
      if (how === 'signal') abort.abort();
      else stopRequest = requestControl(run!.dir, 'stop');
    },
  };
  await assert.rejects(startTuning(oneThread(), path.join(root, 'stopped'), request, hooks), {
    name: 'Interrupted',
    message: /^Stopped after step \d\. To continue, run `unmask tune --resume \S+`\.$/,
  });
  await stopRequest;
  assert.equal((await readStatus(run!.dir)).state, 'interrupted');
  assert.ok(!(await readdir(run!.dir)).includes('lock.json'), 'the lock is released');
  return run!.dir;
}

describe('a tuning run', () => {
  it('writes every step, evaluation, sample and checkpoint that its settings request', async () => {
    const steps = stepsOf(whole.events);
    assert.deepEqual(
      steps.map(({ step }) => step),
      [1, 2, 3, 4, 5, 6],
    );
    const at = (split: string) =>
      evaluationsOf(whole.events)
        .filter(({ evaluation }) => evaluation.split === split)
        .map(({ step }) => step);
    assert.deepEqual(at('validation'), [0, 2, 4, 6]);
    assert.deepEqual(at('test'), [0, 6]);
    assert.equal(whole.samples.length, 6);
    assert.ok(whole.samples.every(({ rows }) => rows.length === 6));
    for (const event of steps)
      for (const name of ['reward', 'reward_std', 'frac_reward_zero_std', 'completions/mean_length', 'num_tokens'])
        assert.ok(Number.isFinite(event[name]), `${name} of step ${event.step}`);
    assert.ok(steps.some(({ loss, elbo_positive: lower }) => loss !== undefined && lower !== undefined && lower < 0));
  });

  it('is the same for the same seed, and differs for another', async () => {
    const again = await startTuning(oneThread(), path.join(root, 'again'), tinyTuning(model));
    assert.deepEqual(await trajectoryOf(again.dir), whole);
    const other = await startTuning(oneThread(), path.join(root, 'other'), tinyTuning(model, { seed: 4, steps: 1 }));
    assert.notDeepEqual((await trajectoryOf(other.dir)).samples[0], whole.samples[0]);
  });

  for (const [step, how] of [
    [3, 'signal'],
    [3, 'control'],
    [6, 'signal'],
  ] as const)
    it(`continues after step ${step} as if it had not been stopped by ${how}`, async () => {
      const dir = await stoppedAfter(step, how);
      // A request in control.json may arrive one step later if the job is fast.
      const { step: last } = (await listCheckpoints(dir)).at(-1)!;
      assert.ok(last === step || (how === 'control' && last === step + 1), `checkpoint of step ${last}`);
      const result = await resumeTuning(oneThread(), dir);
      assert.equal(result.steps, 6);
      assert.ok(result.before && result.after && result.checkpoint.endsWith('step-000006'));
      assert.deepEqual(await trajectoryOf(dir), whole);
      assert.equal((await readStatus(dir)).state, 'finished');
      assert.deepEqual(JSON.parse(await readFile(path.join(dir, 'result.json'), 'utf8')), result);
    });

  it('continues after it was stopped twice, the second time before a new checkpoint', async () => {
    const dir = await stoppedAfter(2, 'signal');
    const abort = new AbortController();
    const onStep = () => abort.abort();
    await assert.rejects(resumeTuning(oneThread(), dir, { signal: abort.signal, onStep }), { name: 'Interrupted' });
    await resumeTuning(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(dir), whole);
  });

  it('continues from the checkpoint before a damaged one, and ends as if nothing had happened', async () => {
    const dir = await stoppedAfter(4, 'signal');
    const weights = path.join((await listCheckpoints(dir)).at(-1)!.dir, 'model.safetensors');
    const bytes = await readFile(weights);
    bytes[bytes.length - 7] = bytes[bytes.length - 7]! ^ 1;
    await writeFile(weights, bytes);
    const warnings: string[] = [];
    await resumeTuning(oneThread(), dir, { onWarning: (text) => warnings.push(text) });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^The checkpoint of step \d is damaged \(model\.safetensors has changed/);
    assert.ok((await readFile(path.join(dir, 'log.txt'), 'utf8')).includes(`Warning: ${warnings[0]}`));
    assert.deepEqual(await trajectoryOf(dir), whole);
  });

  it('starts again if it was stopped before its first step, and records every step once', async () => {
    const dir = await stoppedAfter(0, 'signal');
    assert.deepEqual(await listCheckpoints(dir), []);
    await resumeTuning(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(dir), whole);
  });

  it('does not change when it is resumed after it finished', async () => {
    const { dir, ...rest } = await startTuning(oneThread(), path.join(root, 'finished'), tinyTuning(model));
    const again = await resumeTuning(oneThread(), dir);
    assert.deepEqual(again, { dir, ...rest });
    assert.deepEqual(await trajectoryOf(dir), whole);
  });

  for (const [objective, settings] of [
    ['vrpo', { reference_every: 2 }],
    ['trafl', { log_z: 'learned' }],
    ['dtm', { tilt_steps: 2, lr_schedule: 'constant' }],
    ['autoedit', { repair_steps: 4, kl: 0.1 }],
    ['dispo', { inner: 'diffu-grpo', reference_every: 4 }],
    ['dispo', { inner: 'diffu-grpo', kl: 0.1 }],
  ] as const)
    it(`with ${objective} (${JSON.stringify(settings)}), whose method has state, continues as if it had not been stopped`, async () => {
      const request = tinyTuning(model, { objective }, { temperature: 1.5, ...settings });
      const { dir: straight } = await startTuning(oneThread(), path.join(root, 'straight'), request);
      const dir = await stoppedAfter(3, 'signal', request);
      await resumeTuning(oneThread(), dir);
      const { method, ...rest } = await trajectoryOf(straight);
      assert.ok(method, 'the method has state');
      assert.ok(stepsOf(rest.events).some(({ loss }) => loss !== undefined));
      assert.deepEqual(await trajectoryOf(dir), { method, ...rest });
    });

  it('is evaluated on resuming if it was stopped at its last step', async () => {
    const request = tinyTuning(model, {}, { evaluate_every: 4 });
    const { dir: straight } = await startTuning(oneThread(), path.join(root, 'straight'), request);
    const dir = await stoppedAfter(6, 'signal', request);
    await resumeTuning(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(dir), await trajectoryOf(straight));
  });

  for (const [objective, settings, references] of [
    ['autoedit', { repair_steps: 4, kl: 0.1 }, ['reference']],
    ['dispo', { inner: 'diffu-grpo', kl: 0.1 }, ['reference', 'branches.reference']],
  ] as const)
    it(`with ${objective} uses the initial model as its reference, regardless of when it is first needed`, async () => {
      const request = tinyTuning(model, { objective, seed: 8 }, { temperature: 1.5, ...settings });
      const { checkpoint } = await startTuning(oneThread(), path.join(root, 'held'), request);
      const carried = await readSafetensors(path.join(checkpoint, 'method.safetensors'));
      const base = await readSafetensors(path.join(model, 'model.safetensors'));
      for (const reference of references)
        for (const [name, { data }] of base) assert.deepEqual(carried.get(`${reference}.${name}`)?.data, data, name);
    });

  it('removes checkpoints that a killed process was about to remove, even if no step is left', async () => {
    const request = tinyTuning(model, { steps: 3 }, { keep_checkpoints: 1, evaluate_every: 0 });
    const dir = await stoppedAfter(3, 'signal', request);
    const [last] = await listCheckpoints(dir);
    await cp(last!.dir, path.join(path.dirname(last!.dir), 'step-000002'), { recursive: true });
    await resumeTuning(oneThread(), dir);
    assert.deepEqual(await listCheckpoints(dir), [last]);
  });

  it("with an adapter on another run's checkpoint keeps that checkpoint as long as it exists", async () => {
    const other = await stoppedAfter(3, 'signal', tinyTuning(model, {}, { keep_checkpoints: 1 }));
    const settings = { adapter: 'lora', lora_r: 2, evaluate_every: 0 };
    const { dir, checkpoint } = await startTuning(
      oneThread(),
      path.join(root, 'other'),
      tinyTuning(other, { steps: 1 }, settings),
    );
    await resumeTuning(oneThread(), other);
    assert.ok((await openCheckpoint(await resolveModel(checkpoint))).adapter, 'its base still exists');
    await assert.rejects(
      deleteRun(other),
      /^UserError: The adapters of .* need step 3 of .* as their base; delete that run first/,
    );
    await deleteRun(dir);
    await deleteRun(other);
  });

  it('with an adapter continues as if it had not been stopped, also before its first checkpoint', async () => {
    const settings = { adapter: 'lora', lora_r: 2, lora_target_modules: ['q_proj', 'down_proj'], kl: 0.1 };
    const request = tinyTuning(model, { objective: 'diffu-grpo' }, settings);
    const { dir: straight } = await startTuning(oneThread(), path.join(root, 'straight'), request);
    const expected = await trajectoryOf(straight);
    assert.ok(stepsOf(expected.events).some(({ loss }) => loss !== undefined));
    assert.ok(expected.method, 'the reference still exists');
    for (const step of [0, 3]) {
      const dir = await stoppedAfter(step, 'signal', request);
      await resumeTuning(oneThread(), dir);
      assert.deepEqual(await trajectoryOf(dir), expected);
      const { dir: checkpoint } = (await listCheckpoints(dir)).at(-1)!;
      assert.deepEqual((await readdir(checkpoint)).sort(), [
        'adapter_config.json',
        'adapter_model.safetensors',
        'base_model.json',
        'digests.json',
        'method.safetensors',
        'optimizer.safetensors',
        'state.json',
      ]);
    }
  });

  it('keeps the last three checkpoints and the best one, each with everything that resuming needs', async () => {
    const { dir } = await startTuning(
      oneThread(),
      path.join(root, 'kept'),
      tinyTuning(model, {}, { checkpoint_every: 1 }),
    );
    const kept = (await listCheckpoints(dir)).map(({ step }) => step);
    assert.deepEqual(kept.slice(-3), [4, 5, 6]);
    assert.ok(kept.length <= 4);
    for (const { dir: checkpoint } of await listCheckpoints(dir))
      assert.deepEqual((await readdir(checkpoint)).sort(), [
        'config.json',
        'digests.json',
        'generation_config.json',
        'model.safetensors',
        'optimizer.safetensors',
        'state.json',
        'tokenizer.json',
        'tokenizer_config.json',
      ]);
  });

  it('loses nothing if it is stopped during the evaluation before its first step', async () => {
    let stopRequest: Promise<string> | undefined;
    let run: RunWriter | undefined;
    const hooks: TuningHooks = {
      onStart: (started) => {
        run = started;
        stopRequest = requestControl(started.dir, 'stop');
      },
    };
    const stopping = startTuning(oneThread(), path.join(root, 'at once'), tinyTuning(model), hooks);
    await assert.rejects(stopping, { name: 'Interrupted', message: /^Stopped after step 0\. / });
    await stopRequest;
    assert.equal((await readStatus(run!.dir)).state, 'interrupted');
    const { dir } = await resumeTuning(oneThread(), run!.dir);
    assert.deepEqual(await trajectoryOf(dir), whole);
  });

  it('pauses on request, saves, and continues on the same trajectory', async () => {
    let run: RunWriter | undefined;
    const seen: string[] = [];
    const control = async () => {
      const ask = async (want: RunRequest, state: string) => {
        const id = await requestControl(run!.dir, want);
        for (;;) {
          const status = await readStatus(run!.dir);
          if (status.control === id && status.state === state) return seen.push(state);
          await delay(5);
        }
      };
      await ask('pause', 'paused');
      const { step } = await readStatus(run!.dir);
      const events = (await readEvents(run!.dir)).length;
      await delay(100);
      assert.equal((await readEvents(run!.dir)).length, events, 'no step while it is paused');
      if (step > 0) assert.equal((await listCheckpoints(run!.dir)).at(-1)?.step, step, 'all steps so far are saved');
      await ask('run', 'running');
    };
    let controlled: Promise<void> | undefined;
    const hooks: TuningHooks = {
      onStart: (started) => {
        run = started;
      },
      onStep: ({ step }) => {
        if (step === 1) controlled = control();
      },
    };
    const { dir } = await startTuning(oneThread(), path.join(root, 'paused'), tinyTuning(model), hooks);
    await controlled;
    assert.deepEqual(seen, ['paused', 'running']);
    assert.deepEqual(await trajectoryOf(dir), whole);
  });

  it('rejects a second process while it runs', async () => {
    let rejection: Promise<void> | undefined;
    const hooks: TuningHooks = {
      onStart: ({ dir }) => {
        rejection = assert.rejects(resumeTuning(oneThread(), dir), {
          name: 'UserError',
          message: /is in use by process/,
        });
      },
    };
    const request = tinyTuning(model, { steps: 2 });
    await startTuning(oneThread(), path.join(root, 'in-use'), request, hooks);
    await rejection;
  });

  it('ends at its time limit, and its last step counts', async () => {
    // A step takes a few hundredths of a second, and less than the limit on a machine with much other work.
    const request = tinyTuning(model, { steps: null, timeLimit: 1 }, { lr_schedule: 'constant' });
    const { dir, steps, seconds, checkpoint } = await startTuning(oneThread(), path.join(root, 'timed'), request);
    assert.ok(steps >= 1 && seconds >= 1 && seconds < 30, `${steps} steps in ${seconds} s`);
    assert.ok(checkpoint.endsWith(`step-${String(steps).padStart(6, '0')}`));
    assert.equal((await readStatus(dir)).step, steps);
  });
});

describe('a pretraining run', () => {
  it('continues after a stop as if it had not been stopped, and publishes the same model', async () => {
    const out = (name: string) => path.join(root, 'pretrained', name);
    const runs = path.join(root, 'pretraining');
    const one = await startPretraining(oneThread(), runs, tinyPretraining(out('one')));
    const abort = new AbortController();
    let dir = '';
    await assert.rejects(
      startPretraining(oneThread(), runs, tinyPretraining(out('two')), {
        signal: abort.signal,
        onStart: (run) => {
          dir = run.dir;
        },
        onStep: ({ step }) => {
          if (step === 3) abort.abort();
        },
      }),
      { name: 'Interrupted', message: /unmask pretrain --resume/ },
    );
    assert.deepEqual(await readdir(path.join(root, 'pretrained')), ['one'], 'no model before the end');
    const two = await resumePretraining(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(two.run), await trajectoryOf(one.run));
    assert.deepEqual((await readdir(out('two'))).sort(), [
      'README.md',
      'config.json',
      'digests.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const weights = (name: string) => readFile(path.join(out(name), 'model.safetensors'));
    assert.deepEqual(await weights('two'), await weights('one'));
    const events = await readEvents(one.run);
    assert.deepEqual(
      evaluationsOf(events).map(({ step }) => step),
      [0, 4],
      'without intermediate evaluations it is evaluated at the beginning and the end',
    );
    assert.deepEqual(Object.keys(one.metrics), ['cell_accuracy', 'solved', 'countdown/solved', 'countdown/format']);
    const card = await readFile(path.join(out('one'), 'README.md'), 'utf8');
    assert.match(card, /unmask pretrain --recipe puzzles/);
    assert.doesNotMatch(card, /undefined|NaN|\[object/);
  });

  it('can have another number of steps after resuming, which its record and its card state', async () => {
    const output = path.join(root, 'pretrained', 'cut');
    const abort = new AbortController();
    let dir = '';
    const stopped = startPretraining(oneThread(), path.join(root, 'cut'), tinyPretraining(output, { steps: 9 }), {
      signal: abort.signal,
      onStart: (run) => {
        dir = run.dir;
      },
      onStep: ({ step }) => {
        if (step === 2) abort.abort();
      },
    });
    await assert.rejects(stopped, { name: 'Interrupted' });
    await assert.rejects(resumePretraining(oneThread(), dir, {}, 1), {
      name: 'UsageError',
      message: /has made 2 steps already; give --steps a larger number/,
    });
    const { steps } = await resumePretraining(oneThread(), dir, {}, 3);
    assert.equal(steps, 3);
    const configuration = await readConfiguration(dir);
    assert.deepEqual(configuration.stepsChanged, [{ at: 2, from: 9, to: 3 }]);
    assert.equal(configuration.steps, 3);
    const card = await readFile(path.join(output, 'README.md'), 'utf8');
    assert.match(
      card,
      /--steps 9 --seed 3\n\nstopped after step 2, and then\n\n {4}unmask pretrain --resume RUN --steps 3\n/,
    );
  });

  it("starts with another model's weights, and does so again if it was stopped before its first checkpoint", async () => {
    const out = (name: string) => path.join(root, 'started', name);
    const runs = path.join(root, 'beginning');
    const request = (name: string, steps: number) => tinyPretraining(out(name), { from: out('base'), steps });
    await startPretraining(oneThread(), runs, tinyPretraining(out('base'), { seed: 8 }));
    const straight = await startPretraining(oneThread(), runs, request('straight', 2));
    assert.equal((await readConfiguration(straight.run)).model, out('base'));
    assert.match(
      await readFile(path.join(out('straight'), 'README.md'), 'utf8'),
      new RegExp(`--recipe puzzles --from ${out('base')} --model`),
    );
    const abort = new AbortController();
    let dir = '';
    const hooks = {
      signal: abort.signal,
      onStart: (run: RunWriter) => {
        dir = run.dir;
        abort.abort();
      },
    };
    await assert.rejects(startPretraining(oneThread(), runs, request('stopped', 2), hooks), { name: 'Interrupted' });
    assert.deepEqual(await listCheckpoints(dir), []);
    const resumed = await resumePretraining(oneThread(), dir);
    assert.deepEqual(await trajectoryOf(resumed.run), await trajectoryOf(straight.run));
    const fresh = await startPretraining(oneThread(), runs, tinyPretraining(out('fresh'), { steps: 2 }));
    const firstLoss = async (run: string) => stepsOf(await readEvents(run))[0]!.loss as number;
    assert.notEqual(await firstLoss(fresh.run), await firstLoss(straight.run));
  });

  it('does not start from a model with another shape or tokenizer, or from an adapter', async () => {
    const from = (folder: string) =>
      startPretraining(
        oneThread(),
        path.join(root, 'runs'),
        tinyPretraining(path.join(root, 'none'), { from: folder }),
      );
    const rejection = (message: RegExp) => ({ name: 'UserError', message });
    await assert.rejects(from(model), rejection(/model has the \w+ \S+, but the recipe puzzles needs \S+; start from/));
    await assert.rejects(from(path.join(root, 'nowhere')), rejection(/^There is no model/));
    const code = { ...tinyPretraining(path.join(root, 'none'), { from: model }), recipe: 'code' };
    const hooks = { onPrepare: () => assert.fail('the data must not be prepared') };
    await assert.rejects(
      startPretraining(oneThread(), path.join(root, 'runs'), code, hooks),
      rejection(/but the recipe code needs/),
    );

    const base = path.join(root, 'started', 'base');
    const tokenizer = JSON.parse(await readFile(path.join(base, 'tokenizer.json'), 'utf8'));
    const [[one, first], [other, second]] = Object.entries(tokenizer.model.vocab).slice(-2) as [string, number][];
    Object.assign(tokenizer.model.vocab, { [one]: second, [other]: first });
    const foreign = path.join(root, 'foreign');
    await cp(base, foreign, { recursive: true });
    await writeFile(path.join(foreign, 'tokenizer.json'), JSON.stringify(tokenizer));
    await assert.rejects(from(foreign), rejection(/foreign is damaged \(tokenizer\.json has changed/));
    await rm(path.join(foreign, 'digests.json'));
    await assert.rejects(from(foreign), rejection(/foreign has another tokenizer than the recipe puzzles/));

    const settings = { adapter: 'lora', lora_r: 2, lora_target_modules: ['q_proj'] };
    const { checkpoint } = await startTuning(oneThread(), path.join(root, 'adapted'), tinyTuning(base, {}, settings));
    await assert.rejects(from(checkpoint), rejection(/is an adapter; merge it into a full model with `unmask merge`/));
  });

  it('does not write into a folder that is not empty', async () => {
    await assert.rejects(startPretraining(oneThread(), path.join(root, 'runs'), tinyPretraining(model)), {
      name: 'UsageError',
      message: /is not empty; choose another folder/,
    });
  });
});
