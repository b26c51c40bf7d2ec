import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeSplit, type RowPart } from '../../src/protocol/row-split.ts';
import { code } from '../../src/tasks/code/code.ts';
import { gsm8k } from '../../src/tasks/gsm8k.ts';
import { math } from '../../src/tasks/math.ts';
import { isSplitOf, type SplitRows, splitAsRecorded, splitByPosition, splitRows } from '../../src/tasks/split-rows.ts';
import type { Task } from '../../src/tasks/task.ts';
import { workspace } from '../../src/tasks/workspace/workspace.ts';

const all: readonly RowPart[] = ['training', 'validation', 'test'];

interface DataTask {
  readonly task: Task;
  /** A record of a data file with content `n`. */
  readonly record: (n: number) => Record<string, unknown>;
  /** The same content in another record. */
  readonly copy: (record: Record<string, unknown>) => Record<string, unknown>;
}

const dataTasks: readonly DataTask[] = [
  {
    task: gsm8k as Task,
    record: (n) => ({ question: `Ada has ${n} pears and buys two. How many?`, answer: `Adding.\n#### ${n + 2}` }),
    copy: ({ question, answer }) => ({ question: `  ${String(question).replace(/ /g, '\n')}`, answer }),
  },
  {
    task: math as Task,
    record: (n) => ({ problem: `What is $${n} + 1$?`, solution: `It is $\\boxed{${n + 1}}$.` }),
    copy: ({ problem }) => ({ problem: String(problem).toUpperCase(), answer: '0' }),
  },
  {
    task: code as Task,
    record: (n) => ({
      prompt: `// The number ${n}.\nfunction number${n}() {\n`,
      tests: `assert.equal(number${n}(), ${n});`,
      language: 'javascript',
    }),
    // The comment above the function differs; the tests are the same.
    copy: ({ prompt, ...record }) => ({ ...record, prompt: String(prompt).replace('The number', 'Returns') }),
  },
  {
    task: workspace as Task,
    record: (n) => ({
      ...{ workspace: '/w', snapshot: '0'.repeat(32), file: 'src/a.ts', function: `Stack.f${n}`, line: n + 1 },
      ...{ language: 'typescript', prefix: `f${n}() {`, body: `\n  return ${n};\n`, suffix: '}' },
      guards: [{ testFile: 'a.test.ts', tests: ['one'], expected: ['one'] }],
    }),
    // The same text in another file.
    copy: (record) => ({ ...record, file: 'src/copy.ts', function: `Copy.${record.function}`, prefix: '' }),
  },
];

/** The part of each row. */
function partByRow({ parts }: SplitRows): Map<unknown, RowPart> {
  return new Map(all.flatMap((part) => parts[part].map((row) => [row, part] as const)));
}

for (const { task, record, copy } of dataTasks) {
  const rows = (count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => task.parse(record(from + index)));

  describe(`a split of rows of ${task.name}`, () => {
    it('assigns every row to one of three parts', () => {
      const original = rows(200);
      const { parts, record: split } = splitRows(task, original, 'rows.jsonl');
      assert.equal(all.flatMap((part) => parts[part]).length, 200);
      assert.equal(partByRow({ parts, record: null }).size, 200);
      for (const part of ['validation', 'test'] as const)
        assert.ok(parts[part].length >= 10 && parts[part].length <= 45, `${part}: ${parts[part].length} of 200`);
      assert.deepEqual(
        all.map((part) => split!.counts[part]),
        all.map((part) => parts[part].length),
      );
      const digests = all.flatMap((part) => split!.rows[part]);
      assert.deepEqual([digests.length, new Set(digests).size], [200, 200]);
    });

    it('stays the same when rows are added, in any order', () => {
      const original = rows(80);
      const before = partByRow(splitRows(task, original, 'rows.jsonl'));
      const after = partByRow(splitRows(task, [...rows(60, 1000), ...[...original].reverse()], 'rows.jsonl'));
      for (const row of original) assert.equal(after.get(row), before.get(row));
    });

    it('keeps duplicates in the same part', () => {
      const original = rows(80);
      const copies = original.map((_, index) => task.parse(copy(record(index))));
      const assigned = partByRow(splitRows(task, [...original, ...copies], 'rows.jsonl'));
      for (const [index, row] of original.entries()) assert.equal(assigned.get(row), assigned.get(copies[index]));
      assert.deepEqual(new Set(assigned.values()), new Set(all));
    });

    it('omits parts if there are too few distinct rows, and reports this', () => {
      const split = (count: number) => splitRows(task, rows(count), 'rows.jsonl').record!.counts;
      for (const [count, counts, description] of [
        [1, { training: 1, validation: 0, test: 0 }, /^1 problem, used for training only: .* neither a validation/],
        [2, { training: 2, validation: 0, test: 0 }, /^2 problems, used for training only/],
        [
          3,
          { training: 2, validation: 1, test: 0 },
          /^3 problems: 2 for training, 1 for validation\. .* no test result/,
        ],
        [5, { training: 4, validation: 1, test: 0 }, /no test result is reported\.$/],
        [6, { training: 4, validation: 1, test: 1 }, /^6 problems: 4 for training, 1 for validation, 1 for testing\.$/],
      ] as const) {
        assert.deepEqual(split(count), counts);
        assert.match(describeSplit(split(count)), description);
      }
      const sameTwice = [...rows(2), ...rows(2), ...rows(2), ...rows(2)];
      assert.deepEqual(splitRows(task, sameTwice, 'rows.jsonl').record!.counts, {
        training: 8,
        validation: 0,
        test: 0,
      });
    });

    it('can be restored from its record for the rows in it', () => {
      const original = rows(40);
      const { parts, record: split } = splitRows(task, original, 'rows.jsonl');
      // New rows come first, and one of the old rows is missing.
      const changed = [...rows(40, 1000), ...original.slice(1)];
      const restored = splitAsRecorded(task, changed, JSON.parse(JSON.stringify(split)));
      for (const part of all)
        assert.deepEqual(
          restored.parts[part],
          parts[part].filter((row) => row !== original[0]),
        );
    });
  });
}

it('a workspace function keeps its part when its text changes', () => {
  const { record } = dataTasks.find(({ task }) => task.name === 'workspace')!;
  const before = Array.from({ length: 40 }, (_, n) => workspace.parse(record(n)));
  const { parts, record: split } = splitRows(workspace, before, 'tasks.jsonl');
  const after = before.map((row) => ({ ...row, body: `${row.body}// edited\n`, snapshot: '1'.repeat(32) }));
  const restored = splitAsRecorded(workspace, after, split!);
  for (const part of all)
    assert.deepEqual(
      restored.parts[part].map((row) => row.function),
      parts[part].map((row) => row.function),
    );
  assert.ok(isSplitOf(split!, 'found-later.jsonl', after), 'its rows are of the workspace');
  assert.ok(!isSplitOf(split!, 'found-later.jsonl', [{ ...after[0]!, workspace: '/other' }]));
});

it('a run without a recorded split holds out every eighth row for both validation and test', () => {
  const rows = Array.from({ length: 17 }, (_, index) => index);
  const { parts, record } = splitByPosition(rows);
  assert.deepEqual([parts.validation, parts.test, record], [[0, 8, 16], [0, 8, 16], null]);
  assert.equal(parts.training.length, 14);
  assert.deepEqual(splitByPosition(['one']).parts.training, ['one']);
});
