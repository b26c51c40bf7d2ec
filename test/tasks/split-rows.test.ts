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
    // Another comment above the function; its tests are the same.
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

/** Which part each row is in. */
function placesOf({ parts }: SplitRows): Map<unknown, RowPart> {
  return new Map(all.flatMap((part) => parts[part].map((row) => [row, part] as const)));
}

for (const { task, record, copy } of dataTasks) {
  const rows = (count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => task.parse(record(from + index)));

  describe(`a split of rows of ${task.name}`, () => {
    it('has three parts, and every row is in one of them', () => {
      const made = rows(200);
      const { parts, record: split } = splitRows(task, made, 'rows.jsonl');
      assert.equal(all.flatMap((part) => parts[part]).length, 200);
      assert.equal(placesOf({ parts, record: null }).size, 200);
      for (const part of ['validation', 'test'] as const)
        assert.ok(parts[part].length >= 10 && parts[part].length <= 45, `${part}: ${parts[part].length} of 200`);
      assert.deepEqual(
        all.map((part) => split!.counts[part]),
        all.map((part) => parts[part].length),
      );
      const digests = all.flatMap((part) => split!.rows[part]);
      assert.deepEqual([digests.length, new Set(digests).size], [200, 200]);
    });

    it('stays as it is when rows are added, whatever their order', () => {
      const made = rows(80);
      const before = placesOf(splitRows(task, made, 'rows.jsonl'));
      const after = placesOf(splitRows(task, [...rows(60, 1000), ...[...made].reverse()], 'rows.jsonl'));
      for (const row of made) assert.equal(after.get(row), before.get(row));
    });

    it('keeps copies of one content in one part', () => {
      const made = rows(80);
      const copies = made.map((_, index) => task.parse(copy(record(index))));
      const places = placesOf(splitRows(task, [...made, ...copies], 'rows.jsonl'));
      for (const [index, row] of made.entries()) assert.equal(places.get(row), places.get(copies[index]));
      assert.deepEqual(new Set(places.values()), new Set(all));
    });

    it('leaves parts out if there are too few different rows, and says so', () => {
      const split = (count: number) => splitRows(task, rows(count), 'rows.jsonl').record!.counts;
      for (const [count, counts, words] of [
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
        assert.match(describeSplit(split(count)), words);
      }
      const sameTwice = [...rows(2), ...rows(2), ...rows(2), ...rows(2)];
      assert.deepEqual(splitRows(task, sameTwice, 'rows.jsonl').record!.counts, {
        training: 8,
        validation: 0,
        test: 0,
      });
    });

    it('is made again from its record, of the rows that it knows', () => {
      const made = rows(40);
      const { parts, record: split } = splitRows(task, made, 'rows.jsonl');
      // New rows come first, and one of the old ones is gone.
      const changed = [...rows(40, 1000), ...made.slice(1)];
      const again = splitAsRecorded(task, changed, JSON.parse(JSON.stringify(split)));
      for (const part of all)
        assert.deepEqual(
          again.parts[part],
          parts[part].filter((row) => row !== made[0]),
        );
    });
  });
}

it('a function of a workspace keeps its part when its text changes', () => {
  const { record } = dataTasks.find(({ task }) => task.name === 'workspace')!;
  const before = Array.from({ length: 40 }, (_, n) => workspace.parse(record(n)));
  const { parts, record: split } = splitRows(workspace, before, 'tasks.jsonl');
  const after = before.map((row) => ({ ...row, body: `${row.body}// edited\n`, snapshot: '1'.repeat(32) }));
  const again = splitAsRecorded(workspace, after, split!);
  for (const part of all)
    assert.deepEqual(
      again.parts[part].map((row) => row.function),
      parts[part].map((row) => row.function),
    );
  assert.ok(isSplitOf(split!, 'found-later.jsonl', after), 'its rows are of the workspace');
  assert.ok(!isSplitOf(split!, 'found-later.jsonl', [{ ...after[0]!, workspace: '/other' }]));
});

it('a run without a record of its split holds out every eighth row, for validation and testing alike', () => {
  const rows = Array.from({ length: 17 }, (_, index) => index);
  const { parts, record } = splitByPosition(rows);
  assert.deepEqual([parts.validation, parts.test, record], [[0, 8, 16], [0, 8, 16], null]);
  assert.equal(parts.training.length, 14);
  assert.deepEqual(splitByPosition(['one']).parts.training, ['one']);
});
