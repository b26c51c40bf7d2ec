import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { tasks } from '../../../src/tasks/registry.ts';
import { readRowFile } from '../../../src/tasks/row-file.ts';
import { parquetRows } from '../../tasks/parquet-rows.ts';
import type { OutsideParser } from './outside-parser.ts';

/** Parsers of data files, read as every task reads them. */
export async function rowParsers(folder: string): Promise<OutsideParser[]> {
  await mkdir(folder, { recursive: true });
  const reader = (name: string, extension: string, examples: readonly (string | Buffer)[]): OutsideParser => ({
    name,
    examples: examples.map((example) => Buffer.from(example)),
    async parse(input) {
      const file = path.join(folder, `rows.${extension}`);
      await writeFile(file, input);
      return Promise.all(tasks.map((task) => readRowFile(file, (record) => task.parse(record), { skipBroken: true })));
    },
  });
  const rows = [
    { puzzle: '1000020000100004', solution: '1342423124133124' },
    { numbers: [30, 100, 93], target: 23 },
    { input: '30,100,93', output: '23' },
    { question: 'What is 1 + 1?', answer: '1 + 1 = 2\n#### 2' },
    { problem: 'What is $x$?', solution: 'It is $\\boxed{\\frac12}$.', answer: '\\frac12' },
    { prompt: 'def f(x):\n', tests: 'def test_f():\n    assert f(1) == 2\n', language: 'python' },
    {
      task_id: 'HumanEval/0',
      prompt: 'def f(x):\n',
      entry_point: 'f',
      test: 'def check(candidate):\n    assert candidate(1) == 2\n',
      canonical_solution: '    return 2\n',
    },
  ];
  return [
    reader('rows in JSON lines', 'jsonl', [rows.map((row) => JSON.stringify(row)).join('\n')]),
    reader('rows in a JSON array', 'json', [JSON.stringify(rows)]),
    reader('rows in CSV', 'csv', [
      'Puzzle,Solution\n1000020000100004,"1342423124133124"\n',
      'question,answer\n"a ""b""\nc",2\n',
    ]),
    reader('rows in gzip', 'jsonl.gz', [gzipSync(JSON.stringify(rows[0]))]),
    reader('rows in Parquet', 'parquet', [parquetRows]),
  ];
}
