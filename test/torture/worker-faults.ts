/** A tuning run with workers on a queue, in which processes and the server are killed, and results are lost, repeated and forged. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../src/platform/errors.ts';
import { Random } from '../../src/platform/random.ts';
import { parseQueueAddress } from '../../src/workers/address.ts';
import { runKeys } from '../../src/workers/messages.ts';
import { openQueueServer, type QueueServer } from '../../src/workers/queue-server.ts';
import { announcedRuns, registeredWorkers } from '../../src/workers/registry.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { RedisServer } from '../workers/redis-server.ts';

const bundle = fileURLToPath(new URL('../../dist/unmask.mjs', import.meta.url));
/** Seconds after which a run counts as hung. */
const timeLimit = 600;

export interface WorkerFaults {
  readonly redis: Parameters<typeof RedisServer.start>[0];
  readonly workers: number;
  /** Number of SIGKILLs of the trainer and of workers. */
  readonly kills: number;
  /** Number of restarts of the server, which loses everything. */
  readonly restarts: number;
  readonly steps: number;
  readonly seed: number;
  readonly log?: (line: string) => void;
}

export interface SurvivedFaults {
  readonly kills: number;
  readonly restarts: number;
  /** Jobs that were taken from the queue and lost, results that were repeated, and messages that no worker wrote. */
  readonly lost: number;
  readonly repeated: number;
  readonly forged: number;
  /** Groups by whoever computed them. */
  readonly shares: ReadonlyMap<string, number>;
}

/**
 * Tunes a tiny model on one machine, and again with workers under attack until all faults have happened. Asserts that both have the
 * same parameters, samples and metrics to the last bit.
 */
export async function surviveWorkerFaults(faults: WorkerFaults): Promise<SurvivedFaults> {
  const home = await mkdtemp(path.join(tmpdir(), 'unmask-workers-'));
  const attack = new Attack(home, faults);
  try {
    await attack.writeModel();
    const alone = attack.tune('alone', ['--set', 'rollout_batch=group']);
    assert.equal(await ended(alone), 0, alone.stderr);
    faults.log?.('the run on one machine has ended');
    const survived = await attack.run();
    await assertSameRun(await onlyRun(path.join(home, 'alone')), await onlyRun(path.join(home, 'shared')));
    return survived;
  } finally {
    await attack.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Watched {
  readonly child: ChildProcess;
  /** Fulfilled when the process has ended. */
  readonly exit: Promise<unknown>;
  stderr: string;
}

class Attack {
  readonly #home: string;
  readonly #faults: WorkerFaults;
  readonly #random: Random;
  readonly #processes = new Set<Watched>();
  readonly #workers: Watched[] = [];
  #redis: RedisServer | undefined;
  #done = { kills: 0, restarts: 0, lost: 0, repeated: 0, forged: 0 };

  constructor(home: string, faults: WorkerFaults) {
    this.#home = home;
    this.#faults = faults;
    this.#random = new Random(faults.seed, 'worker faults');
  }

  /** A model on which a group takes long enough to be killed in the middle. */
  async writeModel(): Promise<void> {
    await writeTinyCheckpoint(path.join(this.#home, 'tiny'), {
      ...{ hidden_size: 48, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4, head_dim: 12 },
    });
  }

  /** Starts a new run in the folder `runs`. */
  tune(runs: string, args: readonly string[]): Watched {
    const settings = {
      ...{ prompts_per_step: 6, group_size: 6, decoding_steps: 16, inner_updates: 1, learning_rate: 1e-2 },
      ...{ warmup_steps: 1, evaluate_every: 0, evaluation_problems: 1, checkpoint_every: 1 },
    };
    return this.#start([
      ...[
        'tune',
        '--task',
        'sudoku4x4',
        '--model',
        path.join(this.#home, 'tiny'),
        '--runs',
        path.join(this.#home, runs),
      ],
      ...['--steps', `${this.#faults.steps}`, '--seed', '3', '--test', '0', '--engine', 'onnx', '--device', 'cpu'],
      ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
      ...args,
    ]);
  }

  async run(): Promise<SurvivedFaults> {
    this.#redis = await RedisServer.start(this.#faults.redis);
    const { url } = this.#redis;
    for (let index = 0; index < this.#faults.workers; index++) this.#workers.push(this.#startWorker(index));
    await this.#whenRegistered(url);
    let trainer = this.tune('shared', ['--workers', url]);
    const stop = new AbortController();
    const saboteur = this.#sabotage(url, stop.signal);
    const begin = performance.now();
    try {
      for (;;) {
        assert.ok((performance.now() - begin) / 1000 < timeLimit, `hung for ${timeLimit} s\n${trainer.stderr}`);
        const code = await Promise.race([ended(trainer), delay(50).then(() => 'running')]);
        if (code === 0) break;
        if (code !== 'running') {
          // A trainer that starts while the server is down is refused.
          if (trainer.child.signalCode !== 'SIGKILL') assert.match(trainer.stderr, /cannot be reached/);
          trainer = await this.#resume(url);
        } else if (await this.#isFaultDue()) {
          await delay(this.#random.integer(300));
          await this.#nextFault(trainer);
        }
      }
    } finally {
      stop.abort();
      await saboteur;
    }
    this.#faults.log?.('the shared run has ended');
    return { ...this.#done, shares: await sharesOf(await onlyRun(path.join(this.#home, 'shared'))) };
  }

  async close(): Promise<void> {
    for (const watched of this.#processes) {
      const gone = ended(watched);
      watched.child.kill('SIGKILL');
      await gone;
    }
    await this.#redis?.close();
  }

  /** Waits until all workers are there. */
  async #whenRegistered(url: string): Promise<void> {
    const server = await openQueueServer(parseQueueAddress(url, '--queue'));
    try {
      for (let tries = 0; (await registeredWorkers(server.redis)).length < this.#faults.workers; tries++) {
        assert.ok(tries < 10 * timeLimit, 'the workers have started');
        await delay(100);
      }
    } finally {
      await server.close();
    }
  }

  /** Whether the run has made enough steps for the next fault: faults are spread over its steps, and leave the last ones alone. */
  async #isFaultDue(): Promise<boolean> {
    const { kills, restarts, steps } = this.#faults;
    const { kills: killed, restarts: restarted } = this.#done;
    const dir = await onlyRun(path.join(this.#home, 'shared')).catch(() => null);
    const events = dir === null ? [] : await eventsOf(dir).catch(() => []);
    const made = events.filter((event) => !('evaluation' in event)).length;
    return made >= ((killed + restarted + 1) * (steps - 2)) / (kills + restarts);
  }

  async #nextFault(trainer: Watched): Promise<void> {
    const { kills, restarts, log } = this.#faults;
    const left = { kill: kills - this.#done.kills, restart: restarts - this.#done.restarts };
    if (left.kill + left.restart === 0) return;
    if (this.#random.integer(left.kill + left.restart) < left.restart) {
      this.#done.restarts++;
      log?.('restarting Redis');
      await this.#redis!.kill();
      await delay(this.#random.integer(1_500));
      await this.#redis!.start();
      return;
    }
    this.#done.kills++;
    const victim = this.#random.integer(this.#faults.workers + 1);
    log?.(`killing ${victim === this.#faults.workers ? 'the trainer' : `worker ${victim}`}`);
    if (victim === this.#faults.workers) trainer.child.kill('SIGKILL');
    else {
      this.#workers[victim]!.child.kill('SIGKILL');
      this.#workers[victim] = this.#startWorker(victim);
    }
  }

  async #resume(url: string): Promise<Watched> {
    const names = await readdir(path.join(this.#home, 'shared')).catch(() => []);
    const run = names.find((name) => !name.startsWith('.'));
    // A trainer that was killed before it made its run directory is started again.
    return run === undefined
      ? this.tune('shared', ['--workers', url])
      : this.#start(['tune', '--resume', path.join(this.#home, 'shared', run), '--workers', url]);
  }

  #startWorker(index: number): Watched {
    const model = path.join(this.#home, 'tiny');
    return this.#start([
      ...['worker', '--queue', this.#redis!.url, '--name', `worker-${index}`, '--model', model],
      ...['--engine', 'onnx', '--device', 'cpu'],
    ]);
  }

  #start(args: readonly string[]): Watched {
    const env = { ...process.env, UNMASK_HOME: this.#home };
    const child = spawn(process.execPath, [bundle, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const watched: Watched = { child, exit: once(child, 'exit'), stderr: '' };
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      watched.stderr += text;
    });
    this.#processes.add(watched);
    return watched;
  }

  /** Takes jobs and loses them, repeats results, and sends messages that no worker writes. */
  async #sabotage(url: string, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      let server: QueueServer | undefined;
      try {
        server = await openQueueServer(parseQueueAddress(url, '--queue'));
        await this.#sabotageRun(server, stop);
      } catch (error) {
        // The server is being restarted.
        if (!(error instanceof UserError)) await delay(50);
      } finally {
        await server?.close().catch(() => undefined);
      }
      await delay(100);
    }
  }

  async #sabotageRun(server: QueueServer, stop: AbortSignal): Promise<void> {
    const [run] = await announcedRuns(server.redis);
    if (run === undefined) return;
    const keys = runKeys(run.id);
    const lossy = server.consume(keys.rollouts, async () => {
      this.#done.lost++;
      await delay(300);
    });
    const results = server.queue(keys.results);
    try {
      for (let turn = 0; turn < 5 && !stop.aborted; turn++) {
        const folder = path.join(this.#home, 'shared', run.run, 'worker-results');
        for (const name of await readdir(folder).catch(() => [])) {
          const lines = (await readFile(path.join(folder, name), 'utf8').catch(() => '')).split('\n');
          const known = lines.filter((line) => line.endsWith('}'));
          if (known.length === 0) continue;
          await results.add(known.map((message) => ({ message })));
          this.#done.repeated += known.length;
          await results.add([{ message: known[0]!.replaceAll('"rollouts"', '"rewards"') }, { message: '{"kind":' }]);
          this.#done.forged += 2;
        }
        await delay(200);
      }
    } finally {
      await lossy.close();
      await results.close();
    }
  }
}

async function ended({ child, exit }: Watched): Promise<number | null> {
  await exit;
  return child.exitCode;
}

async function onlyRun(runs: string): Promise<string> {
  const names = (await readdir(runs)).filter((name) => !name.startsWith('.'));
  assert.equal(names.length, 1, names.join(', '));
  return path.join(runs, names[0]!);
}

type Event = Readonly<Record<string, unknown>>;

const eventsOf = async (dir: string): Promise<Event[]> =>
  (await readFile(path.join(dir, 'events.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** What a step's metrics say except times and shares. */
const comparable = (event: Event): Event =>
  Object.fromEntries(
    Object.entries(event).filter(
      ([name]) => !/^(time|time\/.*|system\/.*|workers\/.*|tokens_per_second|evaluation)$/.test(name),
    ),
  );

async function assertSameRun(expected: string, found: string): Promise<void> {
  const files = (dir: string) => readdir(path.join(dir, 'samples'));
  assert.deepEqual(await files(found), await files(expected));
  for (const name of await files(expected)) {
    const read = (dir: string) => readFile(path.join(dir, 'samples', name), 'utf8');
    assert.equal(await read(found), await read(expected), name);
  }
  assert.deepEqual((await eventsOf(found)).map(comparable), (await eventsOf(expected)).map(comparable));
  const [last] = (await readdir(path.join(expected, 'checkpoints'))).toSorted().reverse();
  for (const name of ['model.safetensors', 'optimizer.safetensors']) {
    const read = (dir: string) => readFile(path.join(dir, 'checkpoints', last!, name));
    assert.ok((await read(found)).equals(await read(expected)), `${name} of ${last} is the same to the last bit`);
  }
  assert.deepEqual(await readdir(found).then((names) => names.filter((name) => name === 'worker-results')), []);
}

async function sharesOf(dir: string): Promise<ReadonlyMap<string, number>> {
  const shares = new Map<string, number>();
  for (const event of await eventsOf(dir))
    for (const [name, share] of Object.entries(event)) {
      const worker = /^workers\/(.*)\/rollouts$/.exec(name)?.[1];
      if (worker !== undefined) shares.set(worker, (shares.get(worker) ?? 0) + Math.round(6 * (share as number)));
    }
  return shares;
}
