import path from 'node:path';
import { deviceMemory, sharesMemory } from '../engine/device-memory.ts';
import { memorySize } from '../platform/amounts.ts';
import { dataHome } from '../platform/files.ts';
import type { MachineMemory } from '../platform/machine-memory.ts';
import type { RunSummary } from '../protocol/run.ts';
import { isOver } from '../runs/reader.ts';
import { RunFolder } from '../runs/run-folder.ts';

/** What a graphics card is taken to have where the system does not tell. */
const assumedMemory = 4 * 2 ** 30;

/** The jobs of this machine, whoever started them, and whether a model that is served can stay beside them. */
export class MemoryArbiter {
  readonly #folders = ['runs', 'evaluations'].map(
    (name) => new RunFolder(path.join(dataHome(), name), { background: true }),
  );
  readonly #memory = new Map<string, Promise<MachineMemory | null>>();

  /** Calls back whenever jobs have changed, until `close`. */
  follow(changed: () => void): void {
    for (const folder of this.#folders) {
      folder.onChange(changed);
      // A folder that cannot be read holds no job that could be told of.
      void folder.follow().catch(() => undefined);
    }
  }

  close(): void {
    for (const folder of this.#folders) folder.close();
  }

  /** Why a model that takes so many bytes cannot stay on a device beside what is computed there; null where it can. */
  readonly whyNot = async (device: string, bytes: number): Promise<string | null> => {
    const jobs = this.#folders.flatMap(({ runs }) => runs.filter((run) => mayCompute(run, device)));
    if (jobs.length === 0) return null;
    const known = this.#memory.get(device) ?? deviceMemory(device);
    this.#memory.set(device, known);
    return whyNoRoom(jobs, { device, bytes, memory: (await known)?.total ?? null });
  };
}

/** A paused job holds its memory too. */
const mayCompute = ({ state, device: its }: RunSummary, device: string): boolean =>
  !isOver(state) && its !== null && sharesMemory(its.device, device);

/** Whether jobs and a model fit into `memory` bytes of a device; null: it is not known how many it has. */
export function whyNoRoom(
  jobs: readonly Pick<RunSummary, 'name' | 'memory'>[],
  { device, bytes, memory }: { readonly device: string; readonly bytes: number; readonly memory: number | null },
): string | null {
  const has = memory ?? assumedMemory;
  const known = jobs.filter((job) => job.memory !== null);
  const taken = known.reduce((sum, job) => sum + (job.memory as number), 0);
  if (known.length === 0 || taken + bytes <= has) return null;
  const owner = sharesMemory(device, 'cpu') ? 'this machine' : `the ${device} device`;
  const what = known.length === 1 ? known[0]!.name : `${known.length} jobs`;
  return `The model made room for ${what}: about ${memorySize(taken)} and the model's ${memorySize(bytes)} are more than the ${memorySize(has)} that ${owner} ${memory === null ? 'is taken to have' : 'has'}; completions come back when ${known.length === 1 ? 'it is' : 'they are'} over.`;
}
