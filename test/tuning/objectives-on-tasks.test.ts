import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bundledPuzzleModel } from '../../src/catalogue/find-model.ts';
import { readEvents, stepsOf } from '../../src/runs/reader.ts';
import { objectives } from '../../src/tuning/objectives/registry.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { startTuning } from '../../src/tuning/tuning-run.ts';
import { oneThread } from '../model/tiny-model.ts';

let root: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-objectives-'));
});
after(() => rm(root, { recursive: true }));

/** The bundled model solves some of these but not all, so that there is something to learn. */
const tasks = {
  sudoku4x4: { steps: 2, own: { reward: 'rules', task_options: { labelled: false } } },
  countdown: { steps: 1, own: { task_options: { count: 3, largest: 20 } } },
};

describe('every objective makes steps with the bundled model', () => {
  for (const [task, { steps: wanted, own }] of Object.entries(tasks))
    for (const { name } of objectives)
      it(`${name} on ${task}`, async () => {
        const settings = tuningSettings.parse({
          ...own,
          prompts_per_step: 4,
          group_size: 4,
          mask_samples: 2,
          inner_updates: 1,
          repair_steps: 1,
          evaluation_problems: 1,
          evaluate_every: 0,
          checkpoint_every: 0,
        });
        const asked = { task, objective: name, model: bundledPuzzleModel, seed: 0, steps: wanted, timeLimit: null };
        const { dir, steps } = await startTuning(oneThread(), root, {
          ...asked,
          settings,
          data: null,
          testProblems: 0,
        });
        assert.equal(steps, wanted);
        const made = stepsOf(await readEvents(dir));
        assert.ok(made.every(({ loss }) => Number.isFinite(loss)));
        assert.ok(
          made.some(({ grad_norm: norm }) => (norm as number) > 0),
          'some groups had a signal',
        );
      });
});
