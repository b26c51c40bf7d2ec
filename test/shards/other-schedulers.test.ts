import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bundle = path.join(root, 'dist', 'unmask.mjs');
const page = await readFile(path.join(root, 'docs', 'scaling.md'), 'utf8');
const sudoku = { puzzle: '3014002020004130', solution: '3214142323414132' };

/** Runs `work` in a folder with a file of 600 rows, which are three parts, and returns what `--gather` and one process print. */
async function gatheredAndWhole(work: (folder: string) => string): Promise<{ gathered: string; whole: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-schedulers-'));
  try {
    const row = JSON.stringify({ ...sudoku, completion: `<answer>${sudoku.solution}</answer>` });
    await writeFile(path.join(folder, 'rows.jsonl'), `${row}\n`.repeat(600));
    const run = (...args: string[]) =>
      execFileSync(process.execPath, [bundle, ...args], { cwd: folder, encoding: 'utf8' });
    const out = work(folder);
    return {
      gathered: run('score', '--gather', '--out', out),
      whole: run('score', '--task', 'sudoku4x4', '--file', 'rows.jsonl'),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('the Indexed Job of docs/scaling.md is valid, and its pods compute all rows from their completion indices', async () => {
  const job = parse(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '');
  assert.deepEqual([job.apiVersion, job.kind], ['batch/v1', 'Job']);
  const { completionMode, completions, parallelism, backoffLimitPerIndex, template } = job.spec;
  assert.deepEqual([completionMode, parallelism, backoffLimitPerIndex], ['Indexed', completions, 3]);
  // A limit for each index needs pods that are not restarted in place.
  assert.equal(template.spec.restartPolicy, 'Never');
  const [container] = template.spec.containers;
  assert.deepEqual(container.command, ['node', '/app/dist/unmask.mjs']);
  const { args } = container as { args: string[] };
  const shard = args.indexOf('--shard') + 1;
  assert.equal(args[shard], `kubernetes/${completions}`, 'N is the number of completions');
  const volumes = template.spec.volumes.map(({ name }: { name: string }) => name);
  for (const mount of container.volumeMounts) assert.ok(volumes.includes(mount.name));
  assert.ok(container.volumeMounts.some(({ mountPath }: { mountPath: string }) => args.at(-1)!.startsWith(mountPath)));

  const pods = 3;
  const { gathered, whole } = await gatheredAndWhole((folder) => {
    const own = [
      'score',
      '--task',
      'sudoku4x4',
      '--file',
      'rows.jsonl',
      '--shard',
      `kubernetes/${pods}`,
      '--out',
      'out',
    ];
    for (let index = 0; index < pods; index++)
      execFileSync(process.execPath, [bundle, ...own], {
        cwd: folder,
        env: { ...process.env, JOB_COMPLETION_INDEX: `${index}` },
        stdio: 'pipe',
      });
    return 'out';
  });
  assert.equal(gathered, whole);
});

const parallel = spawnSync('parallel', ['--version'], { encoding: 'utf8' });
const skip = parallel.stdout?.includes('GNU parallel') ? false : 'GNU parallel is not installed';

test('the line for GNU parallel of docs/scaling.md computes all rows', { skip }, async () => {
  const line = /```sh\n(parallel --jobs 4 npx unmask exact --shard \{\}\/8 --out exact ::: \$\(seq 8\))\n/.exec(
    page,
  )?.[1];
  assert.ok(line, 'docs/scaling.md has the line');
  const score = `'${process.execPath}' '${bundle}' score --task sudoku4x4 --file rows.jsonl`;
  const own = line.replace('npx unmask exact', score).replace('{}/8', '{}/3').replace('$(seq 8)', '$(seq 3)');
  const { gathered, whole } = await gatheredAndWhole((folder) => {
    execFileSync('bash', ['-c', own.replace('parallel', 'parallel --will-cite')], { cwd: folder, stdio: 'pipe' });
    return 'exact';
  });
  assert.equal(gathered, whole);
});
