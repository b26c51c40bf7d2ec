import path from 'node:path';
import { deviceMemory, sharesMemory } from '../engine/device-memory.ts';
import { memorySize } from '../platform/amounts.ts';
import { dataHome } from '../platform/files.ts';
import type { MachineMemory } from '../platform/machine-memory.ts';
import type { RunSummary } from '../protocol/run.ts';
import { isOver } from '../runs/reader.ts';
import { RunFolder } from '../runs/run-folder.ts';

/** The memory assumed for a graphics card if the system does not report it. */
const assumedMemory = 4 * 2 ** 30;

/** Watches all jobs on this machine and decides whether a served model can stay in memory next to them. */
export class MemoryArbiter {
  readonly #folders = ['runs', 'evaluations'].map(
    (name) => new RunFolder(path.join(dataHome(), name), { background: true }),
  );
  readonly #memory = new Map<string, Promise<MachineMemory | null>>();

  /** Calls `changed` whenever jobs change, until `close`. */
  follow(changed: () => void): void {
    for (const folder of this.#folders) {
      folder.onChange(changed);
      // A folder that cannot be read is treated as a folder without jobs.
      void folder.follow().catch(() => undefined);
    }
  }

  close(): void {
    for (const folder of this.#folders) folder.close();
  }

  /** Why a model of `bytes` cannot stay on a device next to the jobs there; null if it can. */
  readonly memoryShortage = async (device: string, bytes: number): Promise<string | null> => {
    const jobs = this.#folders.flatMap(({ runs }) => runs.filter((run) => mayCompute(run, device)));
    if (jobs.length === 0) return null;
    const known = this.#memory.get(device) ?? deviceMemory(device);
    this.#memory.set(device, known);
    return memoryShortage(jobs, { device, bytes, memory: (await known)?.total ?? null });
  };
}

/** Whether a job uses the device's memory. A paused job keeps its memory. */
const mayCompute = ({ state, device: its }: RunSummary, device: string): boolean =>
  !isOver(state) && its !== null && sharesMemory(its.device, device);

/**
 * Why jobs and a model of `bytes` do not fit on a device together; null if they do.
 *
 * @param memory the device's memory in bytes; null: unknown
 */
export function memoryShortage(
  jobs: readonly Pick<RunSummary, 'name' | 'memory'>[],
  { device, bytes, memory }: { readonly device: string; readonly bytes: number; readonly memory: number | null },
): string | null {
  const has = memory ?? assumedMemory;
  const known = jobs.filter((job) => job.memory !== null);
  const taken = known.reduce((sum, job) => sum + (job.memory as number), 0);
  if (known.length === 0 || taken + bytes <= has) return null;
  const owner = sharesMemory(device, 'cpu') ? 'this machine' : `the ${device} device`;
  const what = known.length === 1 ? known[0]!.name : `${known.length} jobs`;
  return `The model was unloaded because ${what} ${known.length === 1 ? 'needs' : 'need'} the memory: about ${memorySize(taken)}, and the model needs ${memorySize(bytes)}, but ${owner} has ${memorySize(has)}${memory === null ? ' (assumed)' : ''}. Completions resume when ${known.length === 1 ? 'it ends' : 'they end'}.`;
}
