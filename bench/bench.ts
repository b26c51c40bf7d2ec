import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { Interrupted, UserError } from '../src/platform/errors.ts';
import { compare } from './compare.ts';
import { type CompletionLatencies, completionNames, measureCompletions } from './completions.ts';
import { Contestants } from './contestant.ts';
import { measureDiscovery } from './discovery.ts';
import { describeMachine, type Machine } from './machine.ts';
import { discoveryName, type Measurement, measurements, memoryName, startUps, verdictNames } from './measurements.ts';
import { type OperatorTime, profileTrainingStep } from './operator-profile.ts';
import { findPeer, type Peer, preparePeer, triedAs } from './peer.ts';
import type { NoPeer } from './pytorch-peer.ts';
import { type BenchResult, benchResult } from './result.ts';
import { measureStartUp } from './start-up.ts';
import { measureSuiteVerdicts, measureVerdicts } from './verdicts.ts';
import { prepareWorkFolder, type WorkFolder } from './work-folder.ts';
import { workerLaunch } from './worker.ts';
import { measureWorkers, type WorkerSpeed, workerNames } from './worker-rollouts.ts';

export interface BenchOptions {
  /** The device to measure, as `unmask devices` names it. */
  readonly device: { readonly engine: string; readonly device: string };
  /** The peer's Python; absent: the usual ones are tried. */
  readonly python?: string | undefined;
  /** Whether to install the peer if it is missing and can be installed without a prompt. */
  readonly installPeer: boolean;
  /** Whether the result with this name is requested. */
  readonly isSelected: (name: string) => boolean;
  /** Seconds per measurement, without warm-up. */
  readonly seconds: number;
  readonly profile: boolean;
  /** Model, files (absent: held-out packages) and number of requests for the measurement of completions. */
  readonly completions: { readonly model: string; readonly files?: string | undefined; readonly requests: number };
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** The document that `unmask bench --json` prints. */
export interface BenchDocument {
  readonly machine: Machine;
  readonly results: readonly BenchResult[];
  readonly completions?: readonly CompletionLatencies[];
  readonly profile?: readonly OperatorTime[];
  readonly workers?: readonly WorkerSpeed[];
}

/** Makes the requested measurements. Runs of Unmask and of the peer alternate. */
export async function runBench(options: BenchOptions): Promise<BenchDocument> {
  const { device, signal, profile } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-bench-'));
  const contestants = new Contestants(signal);
  try {
    const work = await prepareWorkFolder(folder);
    const works = await measureWorks(options, work, contestants);
    // Running worker processes would slow down the next measurements.
    contestants.close();
    const { isSelected, progress } = options;
    const completed = completionNames.some(isSelected)
      ? await measureCompletions({ device, isSelected, signal, progress, ...options.completions })
      : null;
    const workers = await measureSharedRuns(options);
    const results = [
      ...works,
      ...(completed?.results ?? []),
      ...(await measureStartUps(options, work)),
      ...(await measureSandbox(options)),
      ...workerResults(workers),
    ];
    return {
      machine: await describeMachine(device),
      results: results.filter(({ name }) => options.isSelected(name)),
      ...(completed ? { completions: completed.latencies } : {}),
      ...(workers.length > 0 ? { workers } : {}),
      ...(profile ? { profile: await profileTrainingStep(work.puzzleModel) } : {}),
    };
  } catch (error) {
    if (signal.aborted) throw new Interrupted('The bench was stopped before it had all its numbers.');
    throw error;
  } finally {
    contestants.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Seconds after which all remaining measurements are made as short as possible. */
const patience = 150;

async function measureWorks(options: BenchOptions, work: WorkFolder, contestants: Contestants): Promise<BenchResult[]> {
  const { device, isSelected, python, installPeer: install, signal, progress } = options;
  const latest = performance.now() + patience * 1000;
  const hasThreads = device.engine === 'onnx' && device.device === 'cpu';
  const selected = measurements.filter(
    ({ name }) =>
      (isSelected(name) || (name === 'train-step' && isSelected(memoryName))) &&
      (hasThreads || !name.endsWith(':1-thread')),
  );
  if (selected.length === 0) return [];
  const tuned = new Set(selected.flatMap(({ threads, work: name }) => (threads === 'all' ? [triedAs(name)] : [])));
  const peer = await preparePeer({ python, install, signal, progress }, work, [...tuned]);
  const isLate = () => performance.now() > latest;
  const results: BenchResult[] = [];
  for (const measurement of selected) {
    progress(`Measuring ${measurement.name}`);
    results.push(...(await measure(measurement, { options, work, peer, contestants, isLate })));
  }
  return results;
}

interface Ring {
  readonly options: BenchOptions;
  readonly work: WorkFolder;
  readonly peer: Peer | NoPeer;
  readonly contestants: Contestants;
  readonly isLate: () => boolean;
}

async function measure(measurement: Measurement, ring: Ring): Promise<BenchResult[]> {
  const { options, work, peer, contestants, isLate } = ring;
  const { name, unit, target } = measurement;
  const threads = measurement.threads === 'one' ? 1 : availableParallelism();
  const ours = contestants.get(workerLaunch({ ...options.device, threads, puzzleModel: work.puzzleModel }));
  const opponent = findPeer(peer, measurement, work, contestants);
  const { seconds } = options;
  const found = await compare(measurement.work, ours, opponent.contestant, { seconds, isLate });
  const theirs = 'reason' in found.peer ? undefined : found.peer;
  const title = 'reason' in found.peer ? `${opponent.name}: ${found.peer.reason}` : opponent.name;
  const amount = measurement.amount(work);
  const value = amount / found.ours.seconds;
  const speed = benchResult({ name, unit, target, value, peer: title, peerValue: theirs && amount / theirs.seconds });
  if (name !== 'train-step') return [speed];
  const memory = { value: found.ours.peakMemory, peer: title, peerValue: theirs?.peakMemory };
  return [speed, benchResult({ name: memoryName, unit: 'MiB', ...memory })];
}

async function measureStartUps(
  { device: on, isSelected, signal, progress }: BenchOptions,
  { puzzleModel }: WorkFolder,
) {
  const firstForward = ['logits', '--model', puzzleModel, '--tokens', '4,5,6,7'];
  const commands = {
    'start-up': ['tasks', '--json'],
    'start-up:first-forward': [...firstForward, '--engine', on.engine, '--device', on.device, '--json'],
  };
  const results: BenchResult[] = [];
  for (const name of startUps.filter(isSelected)) {
    progress(`Measuring ${name}`);
    results.push(
      benchResult({ name, unit: 's', value: await measureStartUp({ args: commands[name], runs: 5, signal }) }),
    );
  }
  return results;
}

async function measureSandbox({ isSelected, seconds, signal, progress }: BenchOptions): Promise<BenchResult[]> {
  const [programs, ...suites] = verdictNames;
  const results: BenchResult[] = [];
  try {
    if (isSelected(programs)) {
      progress(`Measuring ${programs}`);
      const value = await measureVerdicts(seconds, signal);
      const aim = { peer: 'the aim, 256 in 10 s on two cores', peerValue: 25.6, target: 1 };
      results.push(benchResult({ name: programs, unit: 'verdicts/s', value, ...aim }));
    }
    for (const suite of suites.filter(isSelected)) {
      progress(`Measuring ${suite}`);
      const language = suite === 'verdicts:node-test' ? 'javascript' : 'typescript';
      const value = await measureSuiteVerdicts(language, seconds, signal);
      const aim = { peer: 'the aim, 20 on two cores', peerValue: 20, target: 1 };
      results.push(benchResult({ name: suite, unit: 'verdicts/s', value, ...aim }));
    }
    if (isSelected(discoveryName)) {
      progress(`Measuring ${discoveryName}`);
      const aim = { peer: 'the aim, two minutes on two cores', peerValue: 120, target: 1 };
      results.push(benchResult({ name: discoveryName, unit: 's', value: await measureDiscovery(signal), ...aim }));
    }
    return results;
  } catch (error) {
    // Without a sandbox, this measurement has no value; all others are still made.
    if (!(error instanceof UserError) || error instanceof Interrupted) throw error;
    progress(error.message);
    return results;
  }
}

/** Runs with workers; none if there is no Redis server, which is reported. */
async function measureSharedRuns(options: BenchOptions): Promise<WorkerSpeed[]> {
  const { device, isSelected, seconds, signal, progress } = options;
  if (!workerNames.some(isSelected)) return [];
  try {
    const extent = seconds < 5 ? { steps: 1, rounds: 1 } : { steps: 4, rounds: 3 };
    return await measureWorkers({ device, isSelected, ...extent, signal, progress });
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof Interrupted) throw error;
    progress(error.message);
    return [];
  }
}

/** Rollouts a second, with those of the run without workers as the peer. */
function workerResults(speeds: readonly WorkerSpeed[]): BenchResult[] {
  const alone = speeds.find(({ workers }) => workers === 0)?.rollouts_per_second;
  return speeds.map(({ name, workers, rollouts_per_second: value }) =>
    benchResult({
      ...{ name, unit: 'rollouts/s', value },
      ...(workers > 0 && alone !== undefined ? { peer: 'the same run without workers', peerValue: alone } : {}),
    }),
  );
}
