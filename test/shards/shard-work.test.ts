import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as z from 'zod';
import { anyNumber, exactJson, fromExactJson } from '../../src/shards/exact-json.ts';
import type { ShardedWork } from '../../src/shards/plan.ts';
import { parseShard, type Shard } from '../../src/shards/shard.ts';
import { gatherRows, runShard } from '../../src/shards/shard-work.ts';

let root: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-shards-'));
});
after(() => rm(root, { recursive: true }));

const schema = z.object({ square: anyNumber });
type Row = z.infer<typeof schema>;
const values = [0.1, Number.NaN, 3, -0, Number.POSITIVE_INFINITY, 1 / 3, 7];
const work: ShardedWork = {
  command: 'square',
  inputs: { values: values.length, rate: 0.1 },
  about: { host: 'here' },
  rows: values.map((_, index) => `value ${index}`),
  rowsPerPart: 2,
};
const rowsOf = (first: number, end: number): Row[] =>
  values.slice(first, end).map((value) => ({ square: Object.is(value, -0) ? value : value ** 2 }));

interface Changes {
  readonly work?: Partial<ShardedWork>;
  readonly compute?: (first: number, end: number) => Promise<readonly Row[]>;
  readonly processor?: string;
}

function run(folder: string, shard: Shard, { work: changes = {}, compute, processor = 'one' }: Changes = {}) {
  const lines: string[] = [];
  const result = runShard({
    ...{ folder: path.join(root, folder), shard, schema },
    work: { ...work, ...changes },
    machine: { processor, device: null },
    compute: compute ?? (async (first, end) => rowsOf(first, end)),
    progress: (line) => lines.push(line),
  });
  return result.then((found) => ({ ...found, lines }));
}

const gather = (folder: string) => gatherRows(path.join(root, folder), 'square', schema);

describe('a shard', () => {
  it('is written as I/N, or takes its index from Slurm or Kubernetes', () => {
    assert.deepEqual(parseShard('3/20'), { index: 3, of: 20 });
    const slurm = (id: string, base?: 0 | 1) =>
      parseShard('slurm/20', { base, environment: { SLURM_ARRAY_TASK_ID: id } });
    assert.deepEqual([slurm('1').index, slurm('20').index, slurm('0', 0).index, slurm('19', 0).index], [1, 20, 1, 20]);
    const kubernetes = (id: string, base?: 0 | 1) =>
      parseShard('kubernetes/4', { base, environment: { JOB_COMPLETION_INDEX: id } });
    assert.deepEqual([kubernetes('0').index, kubernetes('3').index, kubernetes('4', 1).index], [1, 4, 4]);
    assert.throws(() => slurm('0'), /SLURM_ARRAY_TASK_ID is 0, but must be from 1 to 20/);
    assert.throws(() => kubernetes('4'), /JOB_COMPLETION_INDEX is 4, but must be from 0 to 3/);
    assert.throws(() => slurm('x'), /needs a number in SLURM_ARRAY_TASK_ID, which is "x"/);
    assert.throws(
      () => parseShard('slurm/4', { environment: {} }),
      /needs a number in SLURM_ARRAY_TASK_ID; start it as/,
    );
    assert.throws(() => parseShard('1/4', { base: 0 }), /--shard-base belongs to/);
    for (const [text, message] of [
      ['3/2', /the index must be from 1 to 2/],
      ['0/2', /the index must be from 1 to 2/],
      ['1/0', /write it as I\/N/],
      ['1', /write it as I\/N/],
      ['-1/2', /write it as I\/N/],
      ['1.5/2', /write it as I\/N/],
      ['pbs/2', /write it as I\/N/],
      ['slurm', /write it as I\/N/],
    ] as const)
      assert.throws(() => parseShard(text), message);
  });
});

describe('numbers in JSON', () => {
  it('are kept to the bit', () => {
    const all = [...values, Number.NEGATIVE_INFINITY, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER, 0.1 + 0.2];
    const read = fromExactJson(exactJson({ all, text: 'NaN', other: { number: 'no' } })) as { all: number[] };
    assert.deepEqual(read, { all, text: 'NaN', other: { number: 'no' } });
    for (const [index, value] of all.entries()) assert.ok(Object.is(read.all[index], value), `${value}`);
  });
});

describe('shards of one folder', () => {
  it('compute every row once, and are gathered in order, to the bit', async () => {
    const computed: number[] = [];
    const compute = async (first: number, end: number) => {
      for (let index = first; index < end; index++) computed.push(index);
      return rowsOf(first, end);
    };
    // Parts 0, 1, 2 and 3 have rows 0-1, 2-3, 4-5 and 6.
    const results = await Promise.all([3, 1, 2].map((index) => run('all', { index, of: 3 }, { compute })));
    assert.deepEqual(
      results.map(({ shard, of, rows }) => [shard, of, rows]),
      [
        [3, 3, 2],
        [1, 3, 3],
        [2, 3, 2],
      ],
    );
    assert.deepEqual(computed.sort(), [...values.keys()]);
    const { rows, machines } = await gather('all');
    const expected = rowsOf(0, values.length);
    assert.equal(rows.length, expected.length);
    for (const [index, { square }] of rows.entries()) assert.ok(Object.is(square, expected[index]!.square), `${index}`);
    assert.deepEqual(machines, [{ processor: 'one', device: null }]);
    assert.ok(!(await readdir(path.join(root, 'all'))).some((name) => !/^(plan|part-\d{6})\.json$/.test(name)));
  });

  it('are run again after they were killed, and compute only the missing rows', async () => {
    let calls = 0;
    const killed = async (first: number, end: number) => {
      if (++calls === 2) throw new Error('killed');
      return rowsOf(first, end);
    };
    await assert.rejects(run('killed', { index: 1, of: 1 }, { compute: killed }), /killed/);
    await assert.rejects(gather('killed'), /5 of 7 rows in .* are missing; run shard 1 of 1 again/);
    const again = await run('killed', { index: 1, of: 1 });
    assert.deepEqual([again.rows, again.computed], [7, 5]);
    const third = await run('killed', { index: 1, of: 1 });
    assert.deepEqual([third.rows, third.computed], [7, 0]);
    assert.equal((await gather('killed')).rows.length, 7);
  });

  it('may have nothing to do', async () => {
    const { rows, computed } = await run('many', { index: 9, of: 9 });
    assert.deepEqual([rows, computed], [0, 0]);
    await assert.rejects(gather('many'), /7 of 7 rows .*; run shards 1, 2, 3, 4 of 9 again \(.*--array=1,2,3,4\)/);
  });

  it('refuse the folder of other work', async () => {
    await run('own', { index: 1, of: 2 });
    const refused = (changes: Partial<ShardedWork>, message: RegExp, of = 2) =>
      assert.rejects(run('own', { index: 1, of }, { work: changes }), message);
    await refused({}, /holds the work of 2 shards, not of 3; use the same options/, 3);
    await refused({ command: 'cube' }, /holds rows of unmask square, not of unmask cube/);
    await refused({ inputs: { ...work.inputs, rate: 0.2 } }, /holds rows with rate 0.1, not rate 0.2/);
    await refused({ inputs: { ...work.inputs, more: 1 } }, /holds rows with more missing, not more 1/);
    await refused({ rows: work.rows.toReversed() }, /holds other rows/);
    await run('own', { index: 1, of: 2 }, { work: { about: { host: 'there' } } });
    await assert.rejects(gatherRows(path.join(root, 'own'), 'cube', schema), /holds rows of unmask square; gather/);
    await assert.rejects(gather('nowhere'), /nowhere has no plan\.json, so there are no rows to gather/);
    await writeFile(path.join(root, 'own', 'plan.json'), '{"schema":1}');
    await assert.rejects(gather('own'), /plan\.json is not a plan of shards \(field command\)/);
  });

  it('of which exactly one writes the plan, if two with different options start at once', async () => {
    const start = (rate: number, index: number) =>
      run('race', { index, of: 2 }, { work: { inputs: { ...work.inputs, rate } } }).then(
        () => rate,
        (error: Error) => error.message,
      );
    const [one, other] = await Promise.all([start(1, 1), start(2, 2)]);
    const refusals = [one, other].filter((outcome) => typeof outcome === 'string');
    assert.equal(refusals.length, 1, `${one}; ${other}`);
    assert.match(refusals[0] as string, /holds rows with rate [12], not rate [12]/);
  });

  it('notice damaged, foreign and mixed-up parts', async () => {
    const folder = path.join(root, 'damaged');
    for (const index of [1, 2]) await run('damaged', { index, of: 2 });
    const file = path.join(folder, 'part-000002.json');
    const good = await readFile(file, 'utf8');
    const other = await readFile(path.join(folder, 'part-000001.json'), 'utf8');
    for (const [content, reason] of [
      [good.slice(0, -20), 'JSON'],
      [good.replace('"square":9', '"square":8'), 'its rows do not match their digest'],
      [other, 'it does not hold exactly the rows of this part'],
      [good.replace(/"plan":"\w+"/, '"plan":"0"'), 'it belongs to another plan'],
      ['[]', 'is not valid'],
      ['', 'JSON'],
    ] as const) {
      await writeFile(file, content);
      await assert.rejects(gather('damaged'), (error: Error) => {
        assert.match(error.message, /part-000002\.json is damaged \(.*\); run shard 2\/2 again/);
        assert.ok(error.message.includes(reason), error.message);
        return true;
      });
    }
    const { lines, computed } = await run('damaged', { index: 2, of: 2 });
    assert.equal(computed, 2);
    assert.match(lines[0]!, /part-000002\.json is damaged .*; computing it again/);
    assert.equal(await readFile(file, 'utf8'), good);
    await writeFile(path.join(folder, 'part-000009.json'), good);
    await assert.rejects(gather('damaged'), /part-000009\.json in .* does not belong to its 4 parts; remove it/);
  });

  it('tell on which machines they ran', async () => {
    await run('machines', { index: 1, of: 2 });
    await run('machines', { index: 2, of: 2 }, { processor: 'another' });
    assert.deepEqual(
      (await gather('machines')).machines.map(({ processor }) => processor),
      ['one', 'another'],
    );
  });
});
