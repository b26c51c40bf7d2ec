import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { document, enterHome, refusal } from '../cli/unmask.ts';

let leave: () => Promise<void>;
before(async () => {
  ({ leave } = await enterHome());
});
after(() => leave());

const rows = [
  {
    language: 'typescript',
    prompt: 'export function two(): number {\n',
    tests: "test('a', () => assert.equal(two(), 2));",
  },
  { language: 'javascript', prompt: 'function two() {\n', tests: 'assert.equal(two(), 2);' },
  {
    language: 'python',
    prompt: 'def two():\n',
    test: 'def check(candidate):\n    assert candidate() == 2\n',
    entry_point: 'two',
  },
];
const bodies = [
  ['  return 2;\n}\n', '  return 2;\n}\n', '    return 2\n'],
  ['  return 3;\n}\n', '  return (\n', '    return None\n'],
];

describe('unmask score --task code', () => {
  it('runs the tests of each row, in three languages', async () => {
    const lines = bodies.flatMap((texts) =>
      rows.map((row, index) => JSON.stringify({ ...row, completion: texts[index] })),
    );
    await writeFile('rows.jsonl', `${lines.join('\n')}\n`);
    const {
      n,
      metrics,
      rows: scored,
    } = await document(['score', '--task', 'code', '--file', 'rows.jsonl', '--format', 'plain']);
    assert.equal(n, 6);
    assert.equal(metrics['pass@1'].value, 0.5);
    assert.deepEqual(
      scored.map(({ reward, correct }: { reward: number; correct: boolean }) => [Number(reward.toFixed(2)), correct]),
      [
        [1, true],
        [1, true],
        [1, true],
        [0.15, false],
        // A syntax error.
        [0.05, false],
        [0.15, false],
      ],
    );
    assert.equal(scored[0].extracted, bodies[0]![0]);
  });

  it('reports that tests cannot run instead of a grade', async () => {
    await writeFile('bad.jsonl', `${JSON.stringify({ ...rows[1], tests: 'assert(', completion: '}' })}\n`);
    const message = await refusal(['score', '--task', 'code', '--file', 'bad.jsonl', '--format', 'plain'], 1);
    assert.match(message, /^The tests of two cannot be run: the tests did not start \(.*\); fix that and try again\.$/);
  });

  it('rejects an unknown reward', async () => {
    await writeFile('one.jsonl', `${JSON.stringify({ ...rows[0], completion: '' })}\n`);
    const message = await refusal(['score', '--task', 'code', '--file', 'one.jsonl', '--reward', 'best'], 2);
    assert.match(message, /^Unknown reward best of code; it has tests, all-tests\.$/);
  });
});
