import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lengthText, parseLength, tuneArguments } from '../../src/extension/jobs/tuning-choice.ts';

describe('the length of a run', () => {
  for (const [text, length] of [
    ['100', { steps: 100 }],
    [' 20 steps ', { steps: 20 }],
    ['1 step', { steps: 1 }],
    ['90 s', { seconds: 90 }],
    ['5min', { seconds: 300 }],
    ['1.5 H', { seconds: 5400 }],
  ] as const)
    it(`accepts "${text}"`, () => {
      const read = parseLength(text);
      assert.deepEqual(read, length);
      assert.deepEqual(parseLength(lengthText(length)), length, 'and back');
    });

  for (const text of ['', '0', '-5', '1.5', 'soon', '5 days', '1e12'])
    it(`rejects "${text}"`, () => {
      assert.equal(parseLength(text), null);
    });

  it('is formatted as a user would write it', () => {
    assert.deepEqual([{ steps: 100 }, { seconds: 7200 }, { seconds: 300 }, { seconds: 90 }].map(lengthText), [
      '100',
      '2 h',
      '5 min',
      '90 s',
    ]);
  });
});

describe('the command of a tuning run', () => {
  const choice = {
    task: 'countdown',
    data: null,
    objective: 'spg-mixture',
    model: 'unmask-puzzles',
    length: { steps: 50 },
  };
  const environment = { engine: 'auto', device: 'auto', keepCheckpoints: 3, hyperparameters: {} };

  it('contains the choice', () => {
    assert.deepEqual(
      tuneArguments(choice, environment).join(' '),
      'tune --task countdown --objective spg-mixture --model unmask-puzzles --steps 50 --set keep_checkpoints=3',
    );
  });

  it('contains the data, the time limit and the device if they are set', () => {
    const text = tuneArguments(
      { ...choice, data: '/a b.jsonl', length: { seconds: 90 } },
      { ...environment, engine: 'onnx', device: 'cuda' },
    );
    assert.deepEqual(text.slice(7, 15), [
      '--time-limit',
      '90',
      '--data',
      '/a b.jsonl',
      '--engine',
      'onnx',
      '--device',
      'cuda',
    ]);
  });

  it("contains every hyper-parameter, strings unquoted and all other values as JSON, and prefers the user's name for the run", () => {
    const hyperparameters = {
      learning_rate: 1e-4,
      masking: 'random',
      task_options: { numbers: 3 },
      keep_checkpoints: 1,
    };
    const args = tuneArguments(choice, { ...environment, hyperparameters });
    assert.deepEqual(
      args.filter((_, index) => args[index - 1] === '--set'),
      ['keep_checkpoints=1', 'learning_rate=0.0001', 'masking=random', 'task_options={"numbers":3}'],
    );
  });
});
