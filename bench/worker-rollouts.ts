/** The speed of tuning runs with workers on this machine, next to a run without, through a Redis server that is started for it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bundledPuzzleModel, findModel } from '../src/catalogue/find-model.ts';
import { median } from '../src/evaluation/statistics.ts';
import { messageOf, UserError } from '../src/platform/errors.ts';
import type { StepEvent } from '../src/protocol/events.ts';
import { readEvents, stepsOf } from '../src/runs/reader.ts';
import { parseQueueAddress } from '../src/workers/address.ts';
import { openQueueServer } from '../src/workers/queue-server.ts';
import { registeredWorkers } from '../src/workers/registry.ts';
import { freePort } from './free-port.ts';
import { ownProgram } from './worker.ts';

/** Numbers of workers; 0: the run does not know of workers. */
const workerCounts = [0, 1, 2, 4] as const;
export const workerNames: readonly string[] = workerCounts.map((workers) => nameOf(workers));
function nameOf(workers: number): string {
  return workers === 0 ? 'workers:none' : `workers:${workers}`;
}

/** Runs with the same number of workers: medians over their steps, without the first step of each run. */
export interface WorkerSpeed {
  readonly name: string;
  readonly workers: number;
  /** Whether the trainer and each worker had processors of their own. */
  readonly held_apart: boolean;
  readonly steps: number;
  readonly rollouts_per_second: number;
  /** Rollouts a second of the slowest and of the fastest step. */
  readonly slowest: number;
  readonly fastest: number;
  /** Share of the time of a step in which the trainer had nothing to compute. */
  readonly waiting_share: number;
  readonly seconds: { readonly rollout: number; readonly reward: number; readonly update: number };
  /** Groups of a step, and completions of a group. */
  readonly groups: number;
  readonly group_size: number;
  readonly parameters_bytes: number;
}

const [groups, groupSize] = [16, 8];
const settings = {
  ...{ prompts_per_step: groups, group_size: groupSize, order: 'confidence', inner_updates: 1, rollout_batch: 'group' },
  ...{ evaluate_every: 0, evaluation_problems: 1, checkpoint_every: 1000 },
};

export interface WorkerBenchOptions {
  readonly device: { readonly engine: string; readonly device: string };
  readonly isSelected: (name: string) => boolean;
  /** Number of steps that are measured in each run, and of runs with each number of workers; these alternate. */
  readonly steps: number;
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** Measures the selected runs, one after the other. Throws a `UserError` if there is no Redis server. */
export async function measureWorkers(options: WorkerBenchOptions): Promise<WorkerSpeed[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-bench-'));
  const model = await findModel(bundledPuzzleModel);
  const processes = new Processes(path.join(folder, 'home'), options.signal);
  try {
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    if (workerCounts.some((workers) => workers > 0 && options.isSelected(nameOf(workers)))) {
      const redis = redisProgram();
      const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
      await whenRegistered(url, [processes.start({ command: redis, args })], 0, options.signal);
    }
    const made = new Map<number, MadeRun[]>();
    for (let round = 1; round <= options.rounds; round++)
      for (const workers of workerCounts) {
        const name = nameOf(workers);
        if (!options.isSelected(name)) continue;
        options.progress(`Measuring ${name}${options.rounds > 1 ? `, ${round} of ${options.rounds}` : ''}`);
        const runs = path.join(folder, `${name.replace(':', '-')}-${round}`);
        const run = await measureRun({ ...options, name, workers, url, runs, model, processes });
        made.set(workers, [...(made.get(workers) ?? []), run]);
      }
    const { size } = await stat(path.join(model, 'model.safetensors'));
    return [...made].map(([workers, runs]) => speedOf(workers, runs, size));
  } finally {
    await processes.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface MeasuredRun extends WorkerBenchOptions {
  readonly name: string;
  readonly workers: number;
  readonly url: string;
  readonly runs: string;
  readonly model: string;
  readonly processes: Processes;
}

async function measureRun(run: MeasuredRun): Promise<MadeRun> {
  const { name, workers, url, runs, model, processes, steps, device } = run;
  const sets = processorSets(process.platform === 'linux' ? availableParallelism() : 0, workers + 1);
  const where = ['--engine', device.engine, '--device', device.device];
  const helpers = Array.from({ length: workers }, (_, index) =>
    processes.start(unmask(['worker', '--queue', url, '--name', `worker-${index + 1}`, ...where], sets?.[index + 1])),
  );
  if (workers > 0) await whenRegistered(url, helpers, workers, run.signal);
  const trainer = processes.start(
    unmask(
      [
        ...['tune', '--task', 'sudoku4x4', '--model', model, '--runs', runs, '--steps', `${steps + 1}`, '--test', '0'],
        ...Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
        ...(workers > 0 ? ['--workers', url] : []),
        ...where,
      ],
      sets?.[0],
    ),
  );
  const code = await trainer.ended;
  run.signal.throwIfAborted();
  if (code !== 0)
    throw new UserError(`The run ${name} of the bench failed: ${trainer.stderr.trim().split('\n').at(-1)}`);
  for (const helper of helpers) await processes.stop(helper);
  const [dir] = (await readdir(runs)).filter((entry) => !entry.startsWith('.'));
  return { heldApart: sets !== null, steps: stepsOf(await readEvents(path.join(runs, dir as string))).slice(1) };
}

interface MadeRun {
  readonly heldApart: boolean;
  /** Without the first step. */
  readonly steps: readonly StepEvent[];
}

function speedOf(workers: number, runs: readonly MadeRun[], bytes: number): WorkerSpeed {
  const steps = runs.flatMap((run) => run.steps);
  const middle = (metric: string) => median(steps.map((step) => step[metric] ?? 0));
  const perSecond = steps.map((step) => (groups * groupSize) / (step['time/rollout'] as number));
  const waiting = steps.map((step) => (step['time/wait_for_rollouts'] ?? 0) / (step['time/step'] as number));
  return {
    ...{ name: nameOf(workers), workers, held_apart: runs.every(({ heldApart }) => heldApart), steps: steps.length },
    rollouts_per_second: median(perSecond),
    ...{ slowest: Math.min(...perSecond), fastest: Math.max(...perSecond), waiting_share: median(waiting) },
    seconds: { rollout: middle('time/rollout'), reward: middle('time/reward'), update: middle('time/update') },
    ...{ groups, group_size: groupSize, parameters_bytes: bytes },
  };
}

/**
 * Processors for each of some processes, at least two for each, as `taskset` takes them; null if the machine has too few, so that all
 * processes share all processors.
 */
export function processorSets(processors: number, processes: number): string[] | null {
  const each = Math.floor(processors / processes);
  if (each < 2) return null;
  return Array.from({ length: processes }, (_, index) => `${index * each}-${(index + 1) * each - 1}`);
}

function unmask(args: readonly string[], processors: string | undefined) {
  const { command, args: first } = ownProgram();
  const program = { command, args: [...first, ...args] };
  if (processors === undefined) return program;
  return { command: 'taskset', args: ['--cpu-list', processors, program.command, ...program.args] };
}

/** Waits until the server answers and has so many workers. Throws a `UserError` if one of the processes ends before. */
async function whenRegistered(
  url: string,
  processes: readonly Watched[],
  workers: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const failed = processes.find(({ child }) => child.exitCode !== null);
    if (failed) throw new UserError(`A process of the bench ended: ${failed.stderr.trim().split('\n').at(-1)}`);
    try {
      const server = await openQueueServer(parseQueueAddress(url, '--queue'));
      try {
        if ((await registeredWorkers(server.redis)).length >= workers) return;
      } finally {
        await server.close();
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
    await delay(100);
  }
}

function redisProgram(): string {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const found = folders.map((folder) => path.join(folder, 'redis-server')).find((file) => existsSync(file));
  if (found === undefined)
    throw new UserError('The runs with workers were not measured, because redis-server is not on PATH; install Redis.');
  return found;
}

interface Watched {
  readonly child: ChildProcess;
  /** The exit code; null: it was killed. */
  readonly ended: Promise<number | null>;
  stderr: string;
}

/** The processes of a bench, which end with it. */
class Processes {
  readonly #home: string;
  readonly #running = new Set<Watched>();

  constructor(home: string, signal: AbortSignal) {
    this.#home = home;
    signal.addEventListener('abort', () => {
      for (const { child } of this.#running) child.kill('SIGKILL');
    });
  }

  start({ command, args }: { readonly command: string; readonly args: readonly string[] }): Watched {
    const env = { ...process.env, UNMASK_HOME: this.#home };
    const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'], windowsHide: true });
    const watched: Watched = { child, ended: endOf(child), stderr: '' };
    watched.ended.catch((error: unknown) => {
      watched.stderr += messageOf(error);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      watched.stderr += text;
    });
    this.#running.add(watched);
    return watched;
  }

  async stop(watched: Watched): Promise<void> {
    watched.child.kill('SIGTERM');
    await watched.ended;
    this.#running.delete(watched);
  }

  async end(): Promise<void> {
    for (const { child, ended } of this.#running) {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    }
  }
}

async function endOf(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, 'exit');
  return code as number | null;
}
