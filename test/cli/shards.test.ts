import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { tinyCheckpoint, tinyGeneration, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal, spawnUnmask, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
});
after(() => leave());

const cpu = ['--engine', 'onnx', '--device', 'cpu'];

/** Runs all shards of a command, the last one first, and returns what gathering them prints as text and as JSON. */
async function shardedResult(args: readonly string[], of: number, ...stages: string[]) {
  const [command, ...options] = args as [string, ...string[]];
  const out = ['--out', `shards of ${command}`];
  for (const stage of stages.length === 0 ? [[]] : stages.map((name) => ['--stage', name]))
    for (let index = of; index >= 1; index--) {
      const shard = await document([command, ...options, ...stage, '--shard', `${index}/${of}`, ...out]);
      assert.deepEqual([shard.shard, shard.of, shard.computed], [index, of, shard.rows]);
    }
  const gathered = await unmask([command, '--gather', ...out]);
  assert.equal(gathered.code, 0, gathered.stderr);
  return { text: gathered.stdout, result: await document([command, '--gather', ...out]) };
}

/** Replaces what a clock measured, and the names of folders. */
const withoutTimes = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (name, inner) =>
      /^(seconds.*|milliseconds_p50|query_milliseconds_p90|run|dir|results|page)$/.test(name) ? null : inner,
    ),
  );

async function assertSameAsWhole(args: readonly string[], of: number, ...stages: string[]) {
  const whole = await unmask([...args, '--json']);
  assert.equal(whole.code, 0, whole.stderr);
  const { text, result } = await shardedResult(args, of, ...stages);
  assert.deepEqual(withoutTimes(result), withoutTimes(JSON.parse(whole.stdout)));
  return { text, result, whole: JSON.parse(whole.stdout) };
}

const sudoku = { puzzle: '3014002020004130', solution: '3214142323414132' };

describe('gathered shards equal the whole', () => {
  it('of unmask score', async () => {
    const texts = [sudoku.solution, '3214112311411132', 'x', sudoku.solution];
    const lines = texts.map((text) => JSON.stringify({ ...sudoku, completion: `<answer>${text}</answer>` }));
    await writeFile('rows.jsonl', [...lines, '{"completion":"x"}', ...lines].join('\n'));
    const args = ['score', '--task', 'sudoku4x4', '--file', 'rows.jsonl'];
    const { text, result } = await assertSameAsWhole(args, 4);
    assert.equal(text, (await unmask(args)).stdout);
    assert.deepEqual([result.n, result.rows.length, result.broken.length], [8, 9, 1]);
  });

  it('of unmask eval, whose answers are written as an evaluation', async () => {
    const args = ['eval', '--task', 'sudoku4x4', '--model', 'tiny', ...cpu, '--limit', '40', '--samples', '4'];
    const { result, whole } = await assertSameAsWhole(args, 2);
    assert.equal(await readFile(result.results, 'utf8'), await readFile(whole.results, 'utf8'));
    const plan = JSON.parse(await readFile('shards of eval/shards/plan.json', 'utf8'));
    assert.equal((plan.rowsPerPart * 4) % plan.inputs.answers_per_batch, 0, 'parts hold whole batches');
    assert.ok(plan.rows.length === 40 && plan.rowsPerPart < 40, 'and there are several of them');
    const listed = await document(['evaluations', 'list']);
    assert.ok(
      listed.evaluations.some(
        ({ run, state }: { run: string; state: string }) => run === result.run && state === 'finished',
      ),
    );
    const steps = async ({ dir }: { dir: string }) =>
      (await readFile(path.join(dir, 'events.jsonl'), 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).step);
    assert.deepEqual(await steps(result), await steps(whole));
  });

  /** A comparison of runs with one step. */
  const compare = (objectives: string, seeds: number, trials: number) => [
    ...[
      'compare',
      '--task',
      'sudoku4x4',
      '--objectives',
      objectives,
      '--seeds',
      String(seeds),
      '--model',
      'tiny',
      ...cpu,
    ],
    ...['--steps', '1', '--trials', String(trials), '--problems', '2', '--samples', '1'],
    ...['prompts_per_step=1', 'group_size=2', 'evaluation_problems=1', 'inner_updates=1'].flatMap((pair) => [
      '--set',
      pair,
    ]),
  ];

  it('of unmask compare, and the page too', async () => {
    const args = compare('wd1,spg-mixture', 1, 1);
    const { result, whole } = await assertSameAsWhole(args, 2);
    const folder = 'shards of compare';
    assert.equal(path.dirname(result.page), path.resolve(folder));
    // Numbers are left out, because times are among them.
    const words = async ({ page }: { page: string }) => (await readFile(page, 'utf8')).replace(/\d+/g, '0');
    assert.equal(await words(result), await words(whole));
    assert.match(await refusal([...args, '--out', folder], 2), /contains shards; show their result with --gather/);
    const staged = [...args, '--shard', '1/4', '--stage', 'runs', '--out', folder];
    assert.match(await refusal(staged, 2), /contains shards that were run without --stage/);
    const noTrials = [...args, '--shard', '1/4', '--stage', 'trials', '--out', 'x'];
    assert.match(await refusal(noTrials, 2), /there are no trials to divide/);
    await rm(folder, { recursive: true });
  });

  it('of unmask compare in two stages', async () => {
    const args = compare('wd1', 2, 2);
    const folder = 'shards of compare';
    const runs = [...args, '--shard', '1/2', '--stage', 'runs', '--out', folder];
    assert.match(await refusal(runs, 1), /shards-trials has no plan\.json/);
    await rm(path.join(home, 'comparisons'), { recursive: true });
    await assertSameAsWhole(args, 2, 'trials', 'runs');
    const folders = (await readdir(folder)).filter((name) => name.startsWith('shards'));
    assert.deepEqual(folders, ['shards-runs', 'shards-trials']);
    assert.match(
      await refusal([...args, '--shard', '1/2', '--out', folder], 2),
      /contains shards that were run with --stage/,
    );
  });

  it('of unmask exact, one of whose shards is killed and run again', async () => {
    const args = ['exact', '--draws', '1', ...cpu];
    const out = ['--out', 'shards of exact'];
    const killed = await spawnUnmask([...args, '--shard', '1/2', ...out], (stderr, kill) => {
      if (stderr.includes('2 of 15 parts done')) kill('SIGKILL');
    });
    assert.equal(killed.code, null);
    const missing = /\d+ of 30 rows in .* are missing; run shards 1, 2 of 2 again/;
    assert.match(await refusal(['exact', '--gather', ...out], 1), missing);
    const again = await document([...args, '--shard', '1/2', ...out]);
    assert.ok(again.computed < again.rows && again.computed > 0, `${again.computed} of ${again.rows}`);
    await document([...args, '--shard', '2/2', ...out]);
    const whole = await unmask(args);
    assert.equal((await unmask(['exact', '--gather', ...out])).stdout, whole.stdout);
    const { estimators } = await document(['exact', '--gather', ...out]);
    assert.equal(estimators.length, 29);
  });
});

describe('gathered gaps equal the whole', () => {
  const source = (about: string) =>
    `export class ${about} {\n  #items = [];\n\n  push(item) {\n    if (item === undefined) return this.#items.length;\n    this.#items.push(item);\n    return this.#items.length;\n  }\n}\n`;
  const tokenizer = new Tokenizer(trainBytePairs([source('Stack')], 300));
  before(async () => {
    for (const folder of ['own', 'read']) await mkdir(folder);
    await writeFile('own/queue.js', source('Queue'));
    await writeFile('own/pool.js', source('Pool'));
    await writeFile('read/stack.js', source('Stack'));
    await writeCheckpoint(path.join(home, 'models', 'tiny-code'), {
      ...tinyCheckpoint({
        ...{ vocab_size: tokenizer.largestId + 1, max_position_embeddings: 640, eom_token_id: 3 },
        attention: 'prefix-lm',
      }),
      tokenizer,
      generation: { ...tinyGeneration, line_canvas: 32, canvas: 64 },
    });
  });
  const model = ['--model', 'tiny-code', ...cpu];

  it('of unmask infill-eval', async () => {
    const args = [
      'infill-eval',
      '--files',
      'own',
      '--ngram-files',
      'read',
      '--items',
      '2',
      '--brief',
      '--kinds',
      'line,span',
      ...model,
    ];
    const { text, result } = await assertSameAsWhole(args, 2);
    assert.match(text, /^The rest of a line: 2 gaps[\s\S]*A random span: 2 gaps/);
    assert.deepEqual(
      result.kinds.map(({ kind, n }: { kind: string; n: number }) => [kind, n]),
      [
        ['line', 2],
        ['span', 2],
      ],
    );
  });

  it('of unmask infill-eval --workspace', async () => {
    await rm('shards of infill-eval', { recursive: true, force: true });
    const { result } = await assertSameAsWhole(['infill-eval', '--workspace', 'own', '--items', '3', ...model], 3);
    assert.deepEqual(
      result.rows.map(({ name }: { name: string }) => name),
      ['model', 'copies', 'both'],
    );
    assert.ok(result.seconds > 0 && result.rows[0].milliseconds_p50 > 0);
  });
});

describe('shards are refused', () => {
  const score = ['score', '--task', 'sudoku4x4', '--file', 'one.jsonl'];
  before(() => writeFile('one.jsonl', JSON.stringify({ ...sudoku, completion: 'x' })));

  it('with options that do not fit', async () => {
    const out = ['--out', 'refused'];
    for (const [args, message] of [
      [[...score, '--shard', '3/2', ...out], /^--shard 3\/2: the index must be from 1 to 2/],
      [[...score, '--shard', '0/2', ...out], /^--shard 0\/2: the index must be from 1 to 2/],
      [[...score, '--shard', '1/2'], /^--shard needs the folder with the rows of the shards; give it with --out/],
      [[...score, '--shard', '1/2', '--gather', ...out], /^--shard and --gather are two steps/],
      [[...score, ...out], /^--out belongs to --shard and --gather/],
      [[...score, '--shard-base', '0'], /^--shard-base belongs to --shard/],
      [['score', ...out, '--shard', '1/2'], /^unmask score needs --task and --file, or --gather/],
      [['compare'], /^unmask compare needs --task and --objectives, or --gather/],
      [['compare', '--gather', '--stage', 'runs', ...out], /^--stage belongs to --shard/],
      [['compare', '--gather', '--cost-steps', '1', ...out], /^--cost-steps measures times on one idle machine/],
    ] as const)
      assert.match(await refusal(args, 2), message);
    assert.match(await refusal(['eval', '--gather', ...out], 1), /has no plan\.json, so there are no rows to gather/);
    await assert.rejects(readdir('refused'), 'nothing was written');
  });

  it('outside an array, whose tasks have their index in the environment', async () => {
    const shardIn = async (variable: string, index: string, ...args: string[]) => {
      process.env[variable] = index;
      try {
        return (await document([...score, ...args, '--out', 'array'])).shard;
      } finally {
        delete process.env[variable];
      }
    };
    assert.equal(await shardIn('SLURM_ARRAY_TASK_ID', '2', '--shard', 'slurm/4'), 2);
    assert.equal(await shardIn('SLURM_ARRAY_TASK_ID', '2', '--shard', 'slurm/4', '--shard-base', '0'), 3);
    assert.equal(await shardIn('JOB_COMPLETION_INDEX', '0', '--shard', 'kubernetes/4'), 1);
    assert.match(
      await refusal([...score, '--shard', 'slurm/4', '--out', 'array'], 2),
      /^--shard slurm\/4 needs a number in SLURM_ARRAY_TASK_ID; start it as a task of a job array/,
    );
  });

  it('in the folder of other rows, of another number of shards, and for the result of other options', async () => {
    const out = ['--out', 'folder'];
    await document([...score, '--shard', '1/2', ...out]);
    assert.match(await refusal([...score, '--shard', '1/3', ...out], 2), /holds the work of 2 shards, not of 3/);
    assert.match(
      await refusal([...score, '--as-released', '--shard', '2/2', ...out], 2),
      /holds rows with asReleased false, not asReleased true/,
    );
    assert.match(
      await refusal(['exact', ...cpu, '--draws', '1', '--shard', '1/2', ...out], 2),
      /holds rows of unmask score, not of unmask exact/,
    );
    assert.match(
      await refusal(['exact', '--gather', ...out], 1),
      /holds rows of unmask score; gather them with that command/,
    );
    await writeFile('one.jsonl', JSON.stringify({ ...sudoku, completion: 'another' }));
    assert.match(await refusal([...score, '--shard', '2/2', ...out], 2), /holds rows with rows_digest/);
    await document(['score', '--gather', '--task', 'sudoku4x4', ...out]);
    assert.match(
      await refusal(['score', '--gather', '--task', 'math', ...out], 2),
      /ran with --task sudoku4x4, so --task math cannot be gathered/,
    );
    assert.match(await refusal(['score', '--gather', '--as-released', ...out], 2), /ran without --as-released/);
  });
});
