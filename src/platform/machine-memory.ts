import { totalmem } from 'node:os';

/** Bytes of memory that this process may use, in total and currently free. */
export interface MachineMemory {
  readonly total: number;
  readonly free: number;
}

/** The machine's memory, or the container's limit if that is lower. */
export function machineMemory(): MachineMemory {
  const limit = process.constrainedMemory();
  // Without a limit the value is 0, or larger than any machine's memory.
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return { total, free: Math.min(total, process.availableMemory()) };
}
