import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { UserError } from '../../src/platform/errors.ts';
import { code } from '../../src/tasks/code/code.ts';
import { candidateProgram } from '../../src/tasks/code/program.ts';
import { codeFields, codeRow } from '../../src/tasks/code/row.ts';
import { readRowFile } from '../../src/tasks/row-file.ts';
import { parquetRows } from './parquet-rows.ts';

/** A made-up row of each published data set, and the completion that its grader accepts. */
const rows: Record<string, Record<string, unknown>> = {
  humanEval: {
    task_id: 'HumanEval/900',
    prompt: 'def twice(x):\n    """Doubles."""\n',
    entry_point: 'twice',
    canonical_solution: '    return 2 * x\n',
    test: 'METADATA = {}\n\ndef check(candidate):\n    assert candidate(4) == 8\n',
  },
  infilling: {
    task_id: 'SingleLineInfilling/HumanEval/900/L1',
    entry_point: 'grow',
    prompt: 'def grow(x):\n    y = x + 1\n',
    suffix: '    return y * z\n',
    canonical_solution: '    z = 3\n',
    test: 'def check(candidate):\n    assert candidate(1) == 6\n',
  },
  mbpp: {
    task_id: 901,
    text: 'Write a function to count vowels.',
    code: 'def count_vowels(s):\r\n    return sum(c in "aeiou" for c in s)',
    test_list: ['assert count_vowels("area") == 3', 'assert count_vowels(LONG) == 0'],
    test_setup_code: 'LONG = "zz"',
    challenge_test_list: [],
  },
  multiPlE: {
    name: 'HumanEval_7_count_up',
    language: 'js',
    prompt: '//Counts.\nfunction count_up(n){\n',
    doctests: 'transform',
    tests:
      "const assert = require('node:assert');\n\nfunction test() {\n  let candidate = count_up;\n  assert.deepEqual(candidate(2),[1, 2]);\n}\n\ntest();",
    stop_tokens: ['\nfunction ', '\n//'],
  },
  humanEvalX: {
    task_id: 'JavaScript/7',
    prompt: '/* Adds. */\nconst addAll = (list) => {\n',
    declaration: '\nconst addAll = (list) => {\n',
    canonical_solution: '  return list.reduce((a, b) => a + b, 0);\n}\n\n',
    test: 'const testAddAll = () => {\n  console.assert(addAll([1, 2]) === 3)\n}\n\ntestAddAll()\n',
  },
  safim: {
    task_id: 'block_1',
    prompt: 'n = int(input())\n{{completion}}\nprint(total)\n',
    eval_prompt: 'n = int(input())\n{{completion}}\nprint(total)\n',
    ground_truth: 'total = n * (n + 1) // 2',
    unit_tests: '[{"input": "4\\n", "output": ["10"]}, {"input": "1", "output": ["1\\n"]}]',
    lang: 'python',
  },
  crossCodeEval: {
    prompt: 'from a import b\n\nx = b.',
    groundtruth: 'load(path)',
    right_context: '\nprint(x)\n',
    crossfile_context: { text: '# b\n', list: [] },
    metadata: { task_id: 'project_cc_python/1', file: 'src/main.py' },
  },
  execRepoBench: {
    repo_name: 'r',
    file_name: 'r/m.py',
    fill_type: 'grammar-based: statement',
    prefix_code: 'def f(a):\n',
    middle_code: '    return a',
    suffix_code: '\n',
    context_code: [],
  },
};

const read = (name: string) => codeRow(rows[name]);
const sourceOf = (name: string, completion: string, format: 'plain' | 'tagged' = 'plain') =>
  candidateProgram(read(name), completion, format)?.source;

describe('rows of published data sets', () => {
  it('are read in their own field names, with the language from the row, its id or its text', () => {
    const read = Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, codeRow(row)]));
    assert.deepEqual(
      Object.entries(read).map(([name, { language, entry_point }]) => [name, language, entry_point]),
      [
        ['humanEval', 'python', 'twice'],
        ['infilling', 'python', 'grow'],
        ['mbpp', 'python', 'count_vowels'],
        ['multiPlE', 'javascript', 'count_up'],
        ['humanEvalX', 'javascript', 'addAll'],
        ['safim', 'python', ''],
        ['crossCodeEval', 'python', ''],
        ['execRepoBench', 'python', 'f'],
      ],
    );
    assert.equal(read.mbpp!.prompt, '"""\nWrite a function to count vowels.\nassert count_vowels("area") == 3\n"""\n');
    assert.equal(read.mbpp!.tests.split('\n')[0], 'LONG = "zz"');
    // What was read is stored in the results of an evaluation, and read again.
    for (const row of Object.values(read)) assert.deepEqual(codeRow(JSON.parse(JSON.stringify(row))), row);
  });

  it('are read where fields are null, spaced, or JSON in a text', () => {
    const plain = { prompt: 'def f():\n', tests: 'x' };
    assert.equal(codeRow({ ...plain, language: null }).language, 'python');
    assert.equal(codeRow({ ...plain, language: ' Python ' }).language, 'python');
    assert.equal(codeRow({ ...plain, entry_point: '' }).entry_point, 'f');
    const gap = { prompt: 'const x = b.', groundtruth: 'c()' };
    for (const metadata of [
      { task_id: 'project_cc_typescript/1' },
      { file: 'a.tsx' },
      '{"task_id": "project_cc_typescript/1", "file": "a.ts"}',
    ])
      assert.equal(codeRow({ ...gap, metadata }).language, 'typescript');
    assert.throws(() => codeRow({ ...gap, metadata: '{' }), /^UserError: metadata: is not valid JSON/);
  });

  it('are programs of all their parts', () => {
    assert.equal(sourceOf('infilling', '    z = 3\n'), 'def grow(x):\n    y = x + 1\n    z = 3\n    return y * z\n');
    assert.equal(sourceOf('safim', 'total = 1'), 'n = int(input())\ntotal = 1\nprint(total)\n');
    assert.match(
      sourceOf('multiPlE', '  return [1, 2];\n}\n\nfunction next() {\n  broken(\n') ?? '',
      /^\/\/Counts\.\nfunction count_up\(n\)\{\n {2}return \[1, 2\];\n\}\n\nmodule\.exports/,
    );
    assert.equal(code.suffix?.(read('infilling')), '    return y * z\n');
    assert.equal(code.suffix?.(read('humanEval')), '');
    const { declaration } = codeRow({ ...rows.humanEvalX, prompt: 'Add all numbers.' });
    assert.equal(declaration, rows.humanEvalX.declaration);
  });

  it('are refused by what cannot be honoured', () => {
    const refusals: [Record<string, unknown>, RegExp][] = [
      [{ ...rows.humanEvalX, task_id: 'Java/7' }, /^language: must be javascript, typescript or python, not Java;/],
      [{ ...rows.safim, lang: 'cpp' }, /^language: .* not cpp;/],
      [{ ...rows.safim, lang: 'js' }, /^unit_tests: /],
      [{ ...rows.safim, eval_prompt: 'x' }, /^eval_prompt: /],
      [{ ...rows.safim, unit_tests: 'x' }, /^unit_tests: /],
      [{ ...rows.multiPlE, stop_tokens: '\n' }, /^stop_tokens: needs a list of texts/],
      [{ ...rows.infilling, suffix: 5 }, /^suffix: needs a text/],
      [{ ...rows.mbpp, test_list: [] }, /^test_list: needs a list of assertions/],
      [{ prompt: 'Add.', tests: 'x' }, /^language: needs/],
    ];
    for (const [record, message] of refusals)
      assert.throws(
        () => codeRow(record),
        (error) => error instanceof UserError && message.test(error.message),
        String(message),
      );
  });

  it('are kept together with rows of the same tests only if they have tests', () => {
    const keysOf = (row: Record<string, unknown>): readonly string[] => code.contentKeys(codeRow(row));
    assert.equal(keysOf(rows.safim!).length, 1);
    assert.equal(keysOf(rows.infilling!)[1], keysOf({ ...rows.infilling, suffix: 'x' })[1]);
  });
});

describe('compressed and binary data files', () => {
  it('are read, or refused by the name of their format', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-rows-'));
    const write = async (name: string, content: Uint8Array | string) => {
      const file = path.join(folder, name);
      await writeFile(file, content);
      return file;
    };
    try {
      const lines = `${JSON.stringify(rows.humanEval)}\n${JSON.stringify(rows.infilling)}\n`;
      const said: string[] = [];
      const file = await write('HumanEval.jsonl.gz', gzipSync(lines));
      const { rows: found } = await readRowFile(file, codeRow, {
        fields: codeFields,
        report: (line) => said.push(line),
      });
      assert.equal(found.length, 2);
      assert.equal(said.length, 0);
      const other = await write('x.jsonl', JSON.stringify({ ...rows.multiPlE, original: 'x' }));
      await readRowFile(other, codeRow, { fields: codeFields, report: (line) => said.push(line) });
      assert.deepEqual(said, [`${other}: the fields doctests, original are not used.`]);
      // Made by pyarrow: {task_id: int64, question: string, answer: string}, Snappy.

      const { rows: records } = await readRowFile(await write('part-0.parquet', parquetRows), (record) => record);
      assert.deepEqual(
        records.map(({ row }) => row),
        [
          { task_id: 1, question: 'How many?', answer: '#### 3' },
          { task_id: 2, question: 'And now?', answer: '#### 4' },
        ],
      );
      await assert.rejects(
        readRowFile(await write('cut.parquet', parquetRows.subarray(0, 60)), codeRow),
        /cannot be read as Parquet/,
      );
      await assert.rejects(
        readRowFile(await write('cut.gz', gzipSync(lines).subarray(0, 60)), codeRow),
        /cannot be decompressed/,
      );
      await assert.rejects(readRowFile(await write('a.zip', 'PK\x03\x04rest'), codeRow), /is a zip archive.*unpack it/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
