import { availableParallelism } from 'node:os';
import { Contestant, type Contestants } from './contestant.ts';
import type { Measurement } from './measurements.ts';
import {
  findOpenblasOnOpenmp,
  findPyTorch,
  installPyTorch,
  type NoPeer,
  oneThread,
  type PyTorch,
  peerLaunch,
  type ThreadSetting,
  threadSettings,
} from './pytorch-peer.ts';
import type { WorkFolder } from './work-folder.ts';
import type { WorkName } from './works.ts';

/** PyTorch, and its fastest thread setting for each workload. */
export interface Peer {
  readonly pytorch: PyTorch;
  readonly best: ReadonlyMap<WorkName, ThreadSetting>;
}

export interface PeerOptions {
  /** The peer's Python; absent: the usual ones are tried. */
  readonly python?: string | undefined;
  /** Whether to install PyTorch if it is missing and can be installed without a prompt. */
  readonly install: boolean;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** Finds or installs the peer, and determines its fastest thread setting for each workload. */
export async function preparePeer(
  { python, install, signal, progress }: PeerOptions,
  work: WorkFolder,
  works: readonly WorkName[],
): Promise<Peer | NoPeer> {
  let pytorch = await findPyTorch(python);
  if ('reason' in pytorch && install && python === undefined) {
    const obstacle = await installPyTorch(progress);
    pytorch = obstacle ? { reason: `${pytorch.reason} (${obstacle.reason})` } : await findPyTorch();
  }
  if ('reason' in pytorch) return pytorch;
  const best = new Map<WorkName, Trial>();
  const possible = works.filter((name) => reasonToSkip(name, work) === null);
  for (const setting of threadSettings(availableParallelism(), findOpenblasOnOpenmp())) {
    signal.throwIfAborted();
    progress(`Trying PyTorch ${pytorch.version} at ${setting.name}`);
    const launch = peerLaunch(pytorch, setting, work.folder);
    let contestant = new Contestant(launch, signal);
    for (const name of possible) {
      const seconds = await trial(contestant, name);
      if (seconds === null) contestant = new Contestant(launch, signal);
      else if (seconds < (best.get(name)?.seconds ?? Number.POSITIVE_INFINITY)) best.set(name, { setting, seconds });
    }
    contestant.close();
  }
  return { pytorch, best: new Map([...best].map(([name, { setting }]) => [name, setting])) };
}

interface Trial {
  readonly setting: ThreadSetting;
  readonly seconds: number;
}

/** Seconds of the faster of two runs after a warm-up run; null if the workload fails, which also ends the process. */
async function trial(contestant: Contestant, work: WorkName): Promise<number | null> {
  try {
    const { seconds } = await contestant.measure({ work, runs: 3 });
    return Math.min(...seconds.slice(1));
  } catch {
    return null;
  }
}

/** The workload to try for the choice of a setting. Rollouts are most of an SPG step, and take only half of its time. */
export function triedAs(work: WorkName): WorkName {
  return work === 'spg-step' ? 'rollouts' : work;
}

/** The peer in a measurement: its name, and its process or the reason why there is none. */
export interface PeerCandidate {
  readonly name: string;
  readonly contestant: Contestant | NoPeer;
}

export function findPeer(
  peer: Peer | NoPeer,
  { name, work: workName, threads }: Measurement,
  work: WorkFolder,
  contestants: Contestants,
): PeerCandidate {
  const reason = 'reason' in peer ? peer.reason : reasonToSkip(workName, work);
  if ('reason' in peer || reason !== null) return { name: 'PyTorch', contestant: { reason: reason as string } };
  // If every setting failed, the workload is still measured with one thread, so that the reason is reported.
  const setting = threads === 'one' ? oneThread : (peer.best.get(triedAs(workName)) ?? oneThread);
  const { version, blas } = peer.pytorch;
  const title = name === 'matmul' ? `${blas} in PyTorch ${version}` : `PyTorch ${version}`;
  return {
    name: `${title} (${setting.name})`,
    contestant: contestants.get(peerLaunch(peer.pytorch, setting, work.folder)),
  };
}

function reasonToSkip(name: WorkName, { noPuzzlePeer }: WorkFolder): string | null {
  const isPuzzle = name === 'rollouts' || name === 'spg-step';
  return isPuzzle && noPuzzlePeer !== null ? `does not do ${noPuzzlePeer}` : null;
}
