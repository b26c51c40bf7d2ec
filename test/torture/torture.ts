/**
 * `npm run torture [-- PARTS] [--faults N] [--minutes M] [--inputs N] [--kills N] [--seed S]`: breaks what can break, and
 * prints figures. PARTS are some of faults, workers, slurm, load, parsers and attacks; default: all. docs/testing.md describes them.
 */
import { cpus } from 'node:os';
import { Argument, Command } from 'commander';
import { positiveNumber, wholeNumber } from '../../src/cli/command.ts';
import { UsageError } from '../../src/platform/errors.ts';
import { surviveKilledTasks } from '../shards/job-array.ts';
import { findSlurm, SlurmCluster } from '../shards/slurm-cluster.ts';
import { findRedis } from '../workers/redis-server.ts';
import { countAttacks } from './count-attacks.ts';
import { everyFault } from './faults.ts';
import { tryParsers } from './parsers/try-parsers.ts';
import { surviveSandboxCrashes } from './sandbox-crashes.ts';
import { assertServed, loadServer } from './server-load.ts';
import { surviveFaults } from './survive-faults.ts';
import { surviveWorkerFaults } from './worker-faults.ts';

interface TortureOptions {
  readonly faults: number;
  readonly minutes: number;
  readonly inputs: number;
  readonly kills: number;
  readonly seed: number;
}
const log = (line: string) => console.error(`  ${line}`);
const number = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: 1 });

/** Each part prints one line of figures, and throws if a promise was broken. */
const parts: Readonly<Record<string, (options: TortureOptions) => Promise<string>>> = {
  async faults({ faults, seed }) {
    const { injected, runs, skipped } = await surviveFaults({
      ...{ faults, seed, kinds: everyFault, slowSync: 5_000, log },
    });
    const kinds = [...injected].map(([kind, times]) => `${kind} ${times}`).join(', ');
    const total = [...injected.values()].reduce((a, b) => a + b, 0);
    const left = skipped.map((reason) => `; skipped: ${reason}`).join('');
    const crashes = process.platform === 'linux' ? await surviveSandboxCrashes(Math.ceil(faults / 10), seed) : 0;
    log(`survived ${crashes} killed sandboxes`);
    return `${total} faults injected and survived (${kinds}) in ${runs} runs, which ended byte for byte alike, and ${crashes} sandboxes killed during a run${left}`;
  },
  async workers({ kills, seed }) {
    const redis = await findRedis();
    if (typeof redis === 'string') return `skipped: ${redis}`;
    const restarts = Math.ceil(kills / 10);
    const survived = await surviveWorkerFaults({ redis, workers: 3, kills, restarts, steps: 2 * kills, seed, log });
    const { lost, repeated, forged, shares } = survived;
    const computed = [...shares].map(([name, groups]) => `${name} ${groups}`).join(', ');
    return `${survived.kills} of the trainer and three workers killed and ${survived.restarts} restarts of Redis survived, with ${lost} jobs lost, ${repeated} results repeated and ${forged} forged; the parameters are those of one machine, to the last bit (groups: ${computed})`;
  },
  async slurm() {
    const slurm = await findSlurm();
    if (typeof slurm === 'string') return `skipped: ${slurm}`;
    const cluster = await SlurmCluster.start(slurm);
    try {
      const killed = [3, 7, 9];
      const rows = await surviveKilledTasks(cluster, { tasks: 20, killed, log });
      return `an array of 20 tasks, of which ${killed.join(', ')} were killed and run again; the ${rows} gathered estimators are those of one process, to the last bit`;
    } finally {
      await cluster.close();
    }
  },
  async load({ minutes, seed }) {
    const figures = await loadServer({ seconds: 60 * minutes, seed, log });
    const { requests, cancelled, slowest, backlog, slope, shutdown, limit, cores } = figures;
    const memory = slope === null ? 'memory slope not measured' : `memory slope ${number(slope)} MiB per minute`;
    const line = `${requests} requests served, ${cancelled} of them cancelled, with ${limit} (${cores?.toFixed(2) ?? 'unknown'} cores used); slowest answer ${number(slowest)} ms, at most ${backlog} waiting, ${memory}, shutdown in ${number(shutdown)} ms`;
    log(line);
    // On a busy machine the server has less than its limit, and times say nothing about it.
    const bounds = cores !== null && cores > 0.4 ? loadBounds : { ...loadBounds, ...busyBounds };
    // In a short run memory grows until the first large garbage collection.
    assertServed(figures, minutes < 8 ? { ...bounds, slope: Number.POSITIVE_INFINITY } : bounds);
    return line;
  },
  async parsers({ inputs, seed }) {
    const { parsers, refused, slowest, ...tried } = await tryParsers({ inputs, seed, log });
    return `${number(tried.inputs)} inputs tried on ${parsers} parsers: ${number(refused)} refused in one sentence, the others read; slowest ${number(slowest.milliseconds)} ms (${slowest.parser})`;
  },
  async attacks() {
    const { held, detected, listed, table, failed, skipped } = await countAttacks(log);
    for (const row of table) console.log(row);
    if (failed.length > 0) throw new Error(`attacks succeeded: ${failed.join('; ')}`);
    const left = skipped.length === 0 ? '' : `; ${skipped.length} tests skipped: ${skipped.join('; ')}`;
    return `${held} attacks held, ${detected} detected, ${listed} kinds listed as possible in docs/security.md${left}`;
  },
};

const loadBounds = { backlog: 60, slowest: 2_000, shutdown: 1_000, slope: 3 };
const busyBounds = { backlog: 1_000, slowest: 60_000, shutdown: 60_000 };

const command = new Command('npm run torture --')
  .description('Breaks what can break, and prints figures.')
  .addArgument(new Argument('[parts...]', 'what to break (default: everything)').choices(Object.keys(parts)))
  .addOption(wholeNumber('--faults <n>', 'faults of a tuning run').default(200))
  .addOption(wholeNumber('--kills <n>', 'kills of a trainer and its workers').default(100))
  .addOption(positiveNumber('--minutes <n>', 'minutes of load').default(10))
  .addOption(wholeNumber('--inputs <n>', 'inputs for each parser').default(500))
  .addOption(wholeNumber('--seed <seed>', 'seed of everything that is drawn', 0).default(1))
  .action(async (names: readonly string[], options: TortureOptions) => {
    console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.versions.node}`);
    for (const name of names.length === 0 ? Object.keys(parts) : names) {
      try {
        console.log(`${name}: ${await parts[name]!(options)}`);
      } catch (error) {
        process.exitCode = 1;
        console.log(`${name}: FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
    }
  });
try {
  await command.parseAsync();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
process.exit();
