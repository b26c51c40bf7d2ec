import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Interrupted } from '../../src/platform/errors.ts';
import { code } from '../../src/tasks/code/code.ts';
import { isScored } from '../../src/tasks/scorer.ts';
import { enterHome } from '../cli/unmask.ts';
import { type CleanMachine, cleanMachine } from './clean-machine.ts';

let leave: () => Promise<void>;
let machine: CleanMachine;
before(async () => {
  ({ leave } = await enterHome());
  machine = await cleanMachine();
});
after(async () => {
  await machine.assertClean();
  await machine.leave();
  await leave();
});

const row = code.parse({
  language: 'javascript',
  prompt: 'function two() {\n',
  tests: "test('a', () => assert.equal(two(), 2));\ntest('b', () => assert.equal(two() + 1, 3));",
});
const right = '  return 2;\n}\n';
const hangs = '  for (;;);\n}\n';
const requests = (...completions: readonly string[]) =>
  completions.map((completion) => ({ row, completion, reward: 'all-tests' }));

describe('the scorer of a task that runs tests', () => {
  it('keeps the order of the requests and reports each completion when it is done', async () => {
    const progress: [number, number][] = [];
    const rewards = await code.scorer.reward(requests(right, '  return 3;\n}\n', ''), 'plain', {
      onProgress: (...counts) => progress.push(counts),
    });
    assert.deepEqual(
      rewards.map((reward) => isScored(reward) && reward.total),
      [1, 0, 0],
    );
    assert.deepEqual(progress, [
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  it('reports a test run that cannot start as an error of that completion', async () => {
    const unrunnable = { ...requests(right)[0]!, row: { ...row, tests: 'assert(' } };
    const [first, second] = await code.scorer.reward([unrunnable, ...requests(right)], 'plain');
    assert.ok(!isScored(first!), JSON.stringify(first));
    assert.match(first.broken, /^the tests did not start/);
    assert.ok(isScored(second!) && second.total === 1);
  });

  for (const verb of ['reward', 'grade'] as const)
    it(`ends the running tests when ${verb} is aborted`, async () => {
      const controller = new AbortController();
      // Each completion is different, so that no earlier verdict is reused.
      const items = requests(`// ${verb}\n${hangs}`, `// ${verb}\n${right}`, `// ${verb}, never started\n${hangs}`);
      const progress: number[] = [];
      const options = {
        signal: controller.signal,
        onProgress: (done: number) => {
          progress.push(done);
          controller.abort();
        },
      };
      const scoring =
        verb === 'reward'
          ? code.scorer.reward(items, 'plain', options)
          : code.scorer.grade(items, { format: 'plain', asReleased: false }, options);
      await assert.rejects(scoring, Interrupted);
      assert.deepEqual(progress, [1]);
    });
});
