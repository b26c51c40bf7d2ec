import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { assertRefused, document, enterHome, refusal, unmask } from './unmask.ts';

let leave: () => Promise<void>;
before(async () => {
  ({ leave } = await enterHome());
});
after(() => leave());

const sudoku = { puzzle: '3014002020004130', solution: '3214142323414132' };
const answered = (completion: string) => JSON.stringify({ ...sudoku, completion });

describe('unmask score', () => {
  it('grades existing completions', async () => {
    // The second has half of the eight empty cells right; the third has no answer.
    const wrong = '3214112311411132';
    const lines = [`<answer>${sudoku.solution}</answer>`, `<answer>${wrong}</answer>`, 'none'].map(answered);
    await writeFile('rows.jsonl', `${lines.join('\n')}\n`);
    const result = await document(['score', '--task', 'sudoku4x4', '--file', 'rows.jsonl']);
    assert.deepEqual(Object.keys(result), ['task', 'n', 'metrics', 'rows']);
    assert.deepEqual([result.task, result.n], ['sudoku4x4', 3]);
    const empty = [...sudoku.puzzle].flatMap((digit, cell) => (digit === '0' ? [cell] : []));
    const right = empty.filter((cell) => wrong[cell] === sudoku.solution[cell]).length;
    assert.ok(right > 0 && right < empty.length);
    assert.deepEqual(result.rows, [
      { reward: 1, correct: true, extracted: sudoku.solution },
      { reward: right / empty.length, correct: false, extracted: wrong },
      { reward: 0, correct: false, extracted: null },
    ]);
    assert.ok(Math.abs(result.metrics.cell_accuracy.value - (empty.length + right) / (3 * empty.length)) < 1e-12);
    assert.ok(Math.abs(result.metrics.solved.value - 1 / 3) < 1e-12);
    const rules = await document(['score', '--task', 'sudoku4x4', '--file', 'rows.jsonl', '--reward', 'rules']);
    assert.equal(rules.rows[0].reward, 1);
    assert.notEqual(rules.rows[1].reward, result.rows[1].reward);
  });

  it('follows the released evaluator on request', async () => {
    // The released evaluator accepts sixteen digits without tags; the strict one requires an answer.
    await writeFile('math.jsonl', '{"answer":"4","completion":"so it is \\\\boxed{4}"}\n');
    const strict = await document(['score', '--task', 'math', '--file', 'math.jsonl']);
    const released = await document(['score', '--task', 'math', '--file', 'math.jsonl', '--as-released']);
    assert.equal(released.rows[0].correct, true);
    assert.equal(released.rows[0].reward, 1, "the released evaluator's reward is what it counts");
    assert.notEqual(strict.rows[0].reward, 1, 'while the training reward adds its format parts');
  });

  it('reports the line of a broken row, or lists it', async () => {
    await writeFile('broken.jsonl', `${answered('x')}\n{"completion":"x"}\n${JSON.stringify(sudoku)}\n`);
    const args = ['score', '--task', 'sudoku4x4', '--file', 'broken.jsonl'];
    assert.match(await refusal(args, 1), /^broken\.jsonl, line 2: puzzle: /);
    const { n, broken } = await document([...args, '--skip-broken']);
    assert.deepEqual([n, broken.map(({ line }: { line: number }) => line)], [1, [2, 3]]);
    assert.match(broken[1].message, /^broken\.jsonl, line 3: completion: needs a text/);
  });

  it('rejects an unknown reward and a file without rows', async () => {
    await writeFile('one.jsonl', `${answered('x')}\n`);
    await writeFile('empty.jsonl', '\n');
    const args = ['score', '--task', 'sudoku4x4', '--file'];
    assert.match(await refusal([...args, 'one.jsonl', '--reward', 'best'], 2), /^Unknown reward best of sudoku4x4/);
    assert.match(await refusal([...args, 'empty.jsonl'], 1), /empty\.jsonl is empty/);
  });

  it('ends as interrupted if it is stopped, even if the command ends before it notices the signal', async () => {
    await writeFile('one.jsonl', `${answered('x')}\n`);
    for (const [args, message] of [
      [['score', '--task', 'sudoku4x4', '--file', 'one.jsonl', '--json'], 'Scoring was stopped.'],
      [['objectives', '--json'], 'unmask objectives was stopped; its result is not shown.'],
    ] as const) {
      const ended = await unmask(args, { signal: AbortSignal.abort() });
      assert.equal(assertRefused(ended, 130, args), message);
    }
  });

  it('prints text output without --json', async () => {
    await writeFile('one.jsonl', `${answered(`<answer>${sudoku.solution}</answer>`)}\n`);
    const { code, stdout } = await unmask(['score', '--task', 'sudoku4x4', '--file', 'one.jsonl']);
    assert.equal(code, 0);
    assert.match(stdout, /^cell_accuracy 1\.0000 \[[\d.]+, 1\.0000\] of 1\nsolved 1\.0000 \[/);
  });
});
