import { totalmem } from 'node:os';

/** Bytes of memory that this process may use, and those of them that are free. */
export interface MachineMemory {
  readonly total: number;
  readonly free: number;
}

/** The machine's memory, or its container's where that is less. */
export function machineMemory(): MachineMemory {
  const limit = process.constrainedMemory();
  // Where nothing limits the process it is 0, or a number that no machine has.
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return { total, free: Math.min(total, process.availableMemory()) };
}
