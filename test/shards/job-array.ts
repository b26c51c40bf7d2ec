import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type SlurmCluster, waitFor } from './slurm-cluster.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bundle = path.join(root, 'dist', 'unmask.mjs');
const command = ['exact', '--draws', '1', '--engine', 'onnx', '--device', 'cpu'];

export interface ArrayOptions {
  /** Number of tasks of the array, which is the number of shards. */
  readonly tasks: number;
  /** Indices of the tasks that are killed while they compute, and run again. */
  readonly killed: readonly number[];
  readonly log?: (line: string) => void;
}

/**
 * Runs the sbatch file of docs/scaling.md as an array on a Slurm cluster, kills some tasks, runs only these again, and asserts that the
 * gathered result equals that of one process to the last bit. Returns the number of rows.
 */
export async function surviveKilledTasks(
  cluster: SlurmCluster,
  { tasks, killed, log = () => undefined }: ArrayOptions,
): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-array-'));
  const out = path.join(folder, 'out');
  const run = async (...args: string[]) =>
    (await promisify(execFile)(process.execPath, [bundle, ...args], { cwd: folder })).stdout;
  const held = (index: number) => existsSync(path.join(folder, `held-${index}`));
  const options = {
    cwd: folder,
    env: {
      ...{ OUT: out, STAGE: 'none', UNMASK_HELD_FOLDER: folder, UNMASK_HELD_TASKS: killed.join(',') },
      NODE_OPTIONS: `--import ${pathToFileURL(path.join(root, 'test', 'shards', 'hold-task.mjs')).href}`,
    },
  };
  try {
    const whole = await run(...command, '--json');
    await writeFile(path.join(folder, 'exact.sbatch'), await sbatchFile(tasks));
    const submit = ['--parsable', '--export=ALL'];
    const job = await cluster.run('sbatch', [...submit, `--array=1-${tasks}`, 'exact.sbatch'], options);
    for (const index of killed) {
      await waitFor(`task ${index} in the middle of its work`, 300_000, async () => {
        if (held(index)) return true;
        const state = (await cluster.taskStates(job)).get(index);
        assert.doesNotMatch(String(state), /COMPLETED|FAILED|NODE_FAIL/, await logsOf(folder));
        return null;
      });
      await cluster.run('scancel', ['--signal=KILL', `${job}_${index}`]);
      log(`killed task ${index}`);
    }
    const first = await cluster.finished(job);
    const failures = [...first].filter(([, state]) => state !== 'COMPLETED').map(([index]) => index);
    assert.deepEqual(
      failures.sort((a, b) => a - b),
      killed,
      await logsOf(folder),
    );

    const refused = await run('exact', '--gather', '--out', out).then(
      () => assert.fail('an incomplete folder was gathered'),
      (error: { stderr: string }) => error.stderr,
    );
    const named = `run shard${killed.length === 1 ? '' : 's'} ${killed.join(', ')} of ${tasks} again`;
    assert.ok(refused.includes(named), `${refused}\ndoes not say: ${named}`);

    const again = { ...options, env: { ...options.env, UNMASK_HELD_TASKS: '' } };
    const rerun = await cluster.run('sbatch', [...submit, `--array=${killed.join(',')}`, 'exact.sbatch'], again);
    const second = await cluster.finished(rerun);
    assert.deepEqual(
      [...second.keys()].sort((a, b) => a - b),
      killed,
      'only the killed tasks run again',
    );
    assert.ok(
      [...second.values()].every((state) => state === 'COMPLETED'),
      await logsOf(folder),
    );

    const gathered = await run('exact', '--gather', '--out', out, '--json');
    assert.equal(withoutSeconds(gathered), withoutSeconds(whole));
    return JSON.parse(gathered).estimators.length;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The file in docs/scaling.md with another command; all other lines are the same. */
async function sbatchFile(tasks: number): Promise<string> {
  const page = await readFile(path.join(root, 'docs', 'scaling.md'), 'utf8');
  const file = /```sh\n(#!\/bin\/bash\n# compare\.sbatch\n[\s\S]*?)```/.exec(page)?.[1];
  assert.ok(file, 'docs/scaling.md has an sbatch file');
  const other = `'${process.execPath}' '${bundle}' ${command.join(' ')} --shard slurm/${tasks}`;
  const changed = file.replace(/npx unmask compare [\s\S]*--shard slurm\/20/, other);
  assert.ok(changed.includes(`${other} --out "$OUT"`), 'its command ends in --shard slurm/20 --out "$OUT"');
  return changed;
}

const withoutSeconds = (document: string): string =>
  JSON.stringify(JSON.parse(document), (name, value) => (/^seconds/.test(name) ? null : value));

async function logsOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  return (
    await Promise.all(names.map(async (name) => `${name}: ${await readFile(path.join(folder, name), 'utf8')}`))
  ).join('\n');
}
