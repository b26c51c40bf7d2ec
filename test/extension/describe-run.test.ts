import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sentenceOf, stateOf, tagsOf, titleOf } from '../../src/extension/jobs/describe-run.ts';
import { duration, size } from '../../src/platform/amounts.ts';
import { exampleRun } from './example-run.ts';

describe('the description of a run', () => {
  it("shows the user's name for it, or else what it does", () => {
    assert.equal(titleOf(exampleRun()), 'sudoku4x4 · spg-mixture');
    assert.equal(titleOf(exampleRun({ name: 'mine' })), 'mine');
    assert.deepEqual(tagsOf(exampleRun()), []);
    assert.deepEqual(tagsOf(exampleRun({ tags: ['good', 'a\u202eb'] })), ['#good', '#a\\u202eb']);
    assert.equal(titleOf(exampleRun({ kind: 'pretrain', task: 'code', objective: null })), 'Pretraining · code');
    const checkpoint = { model: '/home/runs/a/checkpoints/step-000040', kind: 'evaluate', objective: null } as const;
    assert.equal(titleOf(exampleRun(checkpoint)), 'step-000040 · sudoku4x4');
    const broken = exampleRun({ kind: null, task: null, objective: null });
    assert.equal(titleOf(broken), broken.run);
    assert.equal(sentenceOf(exampleRun()), 'Tuning on sudoku4x4 with spg-mixture');
    assert.equal(sentenceOf(exampleRun({ kind: 'evaluate', objective: null })), 'Evaluation on sudoku4x4');
  });

  it('shows its progress and the remaining time', () => {
    assert.equal(stateOf(exampleRun()), '12/100 · 3 min left');
    assert.equal(stateOf(exampleRun({ eta: null, steps: null })), 'step 12');
    assert.equal(stateOf(exampleRun({ state: 'paused' })), 'paused · 12/100');
    assert.equal(stateOf(exampleRun({ state: 'finished', step: 100, eta: 0 })), '100/100');
  });

  it('formats times and sizes for people', () => {
    assert.deepEqual([0.4, 59, 59.6, 184, 3599, 7260].map(duration), [
      '0 s',
      '59 s',
      '1 min',
      '3 min',
      '1 h 0 min',
      '2 h 1 min',
    ]);
    assert.deepEqual([0, 999, 1000, 9_940, 24_000_000, 999_600_000, 1.25e12].map(size), [
      '0 B',
      '999 B',
      '1.0 kB',
      '9.9 kB',
      '24 MB',
      '1.0 GB',
      '1.3 TB',
    ]);
  });
});
