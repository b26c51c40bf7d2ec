import { median } from '../src/evaluation/statistics.ts';
import type { Contestant, WorkAnswer } from './contestant.ts';
import type { WorkName } from './works.ts';

/** The cost of one run of a workload. */
export interface Measured {
  /** Median. */
  readonly seconds: number;
  /** Peak memory of the process, in MiB. */
  readonly peakMemory: number;
}

export interface Comparison {
  readonly ours: Measured;
  /** The peer's measurement, or the reason why there is none. */
  readonly peer: Measured | { readonly reason: string };
}

const warmUpRuns = 2;
const fewestRounds = 3;
const mostRounds = 25;
/** Minimum seconds per turn: a turn consists of several runs if they are short. */
const turnSeconds = 0.1;

/**
 * Measures a workload for about `seconds`. Turns of Unmask and of the peer alternate, so that other load on the machine
 * affects both. If `isLate`, each gets one turn only. If the peer fails or computes a different result, the comparison
 * contains the reason instead of its measurement.
 */
export async function compare(
  work: WorkName,
  ours: Contestant,
  peer: Contestant | { readonly reason: string },
  { seconds, isLate }: { readonly seconds: number; readonly isLate: () => boolean },
): Promise<Comparison> {
  const first = await ours.measure({ work, runs: warmUpRuns });
  const left: ContestantRun = { contestant: ours, answers: [], runs: runsPerTurn(first) };
  const right = 'reason' in peer ? peer : await warmUp(peer, work, first);
  const deadline = performance.now() + seconds * 1000;
  let failed = 'reason' in right ? right : undefined;
  const hasTimeForRound = (round: number) =>
    round < (isLate() ? 1 : fewestRounds) || (round < mostRounds && performance.now() < deadline && !isLate());
  for (let round = 0; hasTimeForRound(round); round++) {
    await measureWork(left, work);
    if (!failed && !('reason' in right)) failed = await measureWork(right, work).then(() => undefined, reasonOf);
  }
  return { ours: measured(left), peer: failed ?? measured(right as ContestantRun) };
}

interface ContestantRun {
  readonly contestant: Contestant;
  readonly answers: WorkAnswer[];
  readonly runs: number;
}

async function measureWork({ contestant, answers, runs }: ContestantRun, work: WorkName): Promise<void> {
  answers.push(await contestant.measure({ work, runs }));
}

async function warmUp(peer: Contestant, work: WorkName, ours: WorkAnswer): Promise<ContestantRun | { reason: string }> {
  try {
    const first = await peer.measure({ work, runs: warmUpRuns });
    const reason = differenceReason(ours, first);
    return reason === null ? { contestant: peer, answers: [], runs: runsPerTurn(first) } : { reason };
  } catch (error) {
    return reasonOf(error);
  }
}

const reasonOf = (error: unknown) => ({ reason: `failed (${(error as Error).message})` });

function runsPerTurn({ seconds }: WorkAnswer): number {
  return Math.min(20, Math.max(1, Math.ceil(turnSeconds / Math.min(...seconds))));
}

function measured({ answers }: ContestantRun): Measured {
  return {
    seconds: median(answers.flatMap(({ seconds }) => seconds)),
    peakMemory: Math.max(...answers.map(({ peakMemory }) => peakMemory)),
  };
}

/**
 * Why two answers are not results of the same work; null: they are. Later runs have a larger tolerance, because each run
 * continues from the one before, so that rounding differences grow.
 */
export function differenceReason(ours: WorkAnswer, peers: WorkAnswer): string | null {
  if (ours.parameters !== peers.parameters)
    return `has ${peers.parameters} parameters where ours has ${ours.parameters}`;
  for (const [run, own] of ours.checks.entries()) {
    const other = peers.checks[run];
    if (own === null && other === null) continue;
    const tolerance = run === 0 ? 1e-4 : 1e-3;
    if (own === null || typeof other !== 'number' || !(Math.abs(own - other) <= tolerance * Math.max(1, Math.abs(own))))
      return `computes something else: ${other} in run ${run + 1}, where ours comes to ${own}`;
  }
  return null;
}
