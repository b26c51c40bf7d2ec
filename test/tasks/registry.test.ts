import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '../../src/platform/errors.ts';
import { Random } from '../../src/platform/random.ts';
import { plainAlphabet } from '../../src/tasks/plain-alphabet.ts';
import { taskByName, tasks } from '../../src/tasks/registry.ts';
import { isScored } from '../../src/tasks/scorer.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';

describe('the task registry', () => {
  it('finds each task by its name and rejects unknown names', () => {
    assert.deepEqual(
      tasks.map((task) => task.name),
      ['sudoku4x4', 'countdown', 'gsm8k', 'math', 'code', 'programs', 'workspace'],
    );
    for (const task of tasks) assert.equal(taskByName(task.name), task);
    assert.throws(
      () => taskByName('sudoku'),
      (error) =>
        error instanceof UsageError &&
        /sudoku4x4, countdown, gsm8k, math, code, programs, workspace/.test(error.message),
    );
    assert.throws(() => taskByName('toString'), UsageError);
  });

  it('lists the metrics that commands report', () => {
    assert.deepEqual(Object.fromEntries(tasks.map((task) => [task.name, task.metrics])), {
      sudoku4x4: ['cell_accuracy', 'solved'],
      countdown: ['solved', 'format'],
      gsm8k: ['accuracy'],
      math: ['accuracy'],
      code: ['pass@1'],
      programs: ['pass@1'],
      workspace: ['pass@1'],
    });
  });

  it('suggests valid tuning settings, with smaller ones for code', () => {
    for (const { tuning = {} } of tasks) assert.ok(tuningSettings.safeParse(tuning).success);
    for (const name of ['code', 'workspace']) assert.equal(taskByName(name).tuning?.prompts_per_step, 4);
  });

  it('scores every metric for arbitrary completions', async () => {
    const rows: Record<string, unknown> = {
      sudoku4x4: { puzzle: '0310200404001043', solution: '4312213434211243' },
      countdown: { numbers: [30, 100, 93], target: 23 },
      gsm8k: { question: 'How many?', answer: 18 },
      math: { problem: 'How many?', answer: '\\frac{1}{2}' },
    };
    const random = new Random(1, 'noise');
    const pieces = [
      '<answer>',
      '</answer>',
      '\\boxed{',
      '}',
      '```',
      '\n',
      '4312213434211243',
      '93+30-100',
      '18',
      '=',
      '\\frac',
      '\\sqrt',
      '/',
      '####',
      '<|eot_id|>',
      '\\text{ ',
      '$',
      '-',
      '.',
      '\\boxed ',
      '\\fbox',
    ];
    for (const task of tasks.filter(({ scorer }) => !scorer.runsTests)) {
      const row = task.parse(rows[task.name]);
      const answers = Array.from({ length: 1500 }, () => ({
        row,
        completion: Array.from({ length: random.integer(8) }, () => random.pick(pieces)).join(''),
      }));
      for (const format of ['plain', 'tagged'] as const) {
        for (const asReleased of [false, true]) {
          const grades = await task.scorer.grade(answers, { format, asReleased });
          assert.equal(grades.length, answers.length);
          for (const grade of grades) {
            assert.deepEqual(Object.keys(grade.scores), [...task.metrics]);
            for (const { value, weight } of Object.values(grade.scores)) assert.ok(value >= 0 && value <= weight);
            if (grade.correct) assert.notEqual(grade.extracted, null);
          }
        }
        for (const reward of task.rewards) {
          const requests = answers.map((answer) => ({ ...answer, reward }));
          const rewards = await task.scorer.reward(requests, format);
          assert.equal(rewards.length, answers.length);
          for (const [index, scored] of rewards.entries()) {
            assert.ok(isScored(scored));
            const sum = Object.values(scored.parts).reduce((all, part) => all + part, 0);
            assert.ok(
              Number.isFinite(scored.total) && Math.abs(scored.total - sum) < 1e-12,
              answers[index]!.completion,
            );
          }
        }
      }
    }
  });

  it('uses only characters of the plain alphabet in plain prompts and answers', () => {
    assert.equal(new Set(plainAlphabet).size, plainAlphabet.length);
    const random = new Random(2, 'alphabet');
    const used = new Set<string>();
    for (const task of tasks.filter((candidate) => candidate.generate && !candidate.scorer.runsTests)) {
      for (let round = 0; round < 300; round++) {
        const row = task.generate!(random, task.name === 'countdown' ? { count: 3 + (round % 2) } : {});
        for (const character of `${task.prompt(row, 'plain')}${task.solution(row, 'plain')}`) used.add(character);
      }
    }
    assert.deepEqual([...used].sort(), [...plainAlphabet].sort());
  });
});
