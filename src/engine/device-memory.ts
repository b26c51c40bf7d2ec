import type { Systeminformation } from 'systeminformation';
import { type MachineMemory, machineMemory } from '../platform/machine-memory.ts';

/** Devices that compute in the machine's main memory. All other devices are its graphics card. */
const processors: readonly string[] = ['cpu', 'wasm', 'node'];

const isProcessor = (device: string): boolean => processors.includes(device);

/** Whether two devices, of any engines, compute in the same memory. All graphics cards of a machine count as one. */
export const sharesMemory = (device: string, other: string): boolean => isProcessor(device) === isProcessor(other);

/**
 * The memory that a device computes in: the machine's or its graphics card's. Null if the system does not report it.
 */
export async function deviceMemory(device: string): Promise<MachineMemory | null> {
  const machine = machineMemory();
  if (isProcessor(device)) return machine;
  const { graphics } = await import('systeminformation');
  const found = await graphics().catch(() => null);
  return found && graphicsMemory(found.controllers, machine);
}

type Controller = Partial<Systeminformation.GraphicsControllerData>;

/** Megabytes, as systeminformation counts them. */
const megabyte = 2 ** 20;

/**
 * The memory of the graphics card with the most. A card without dedicated memory uses the machine's. If only the
 * driver's total is known, all of it counts as free.
 */
export function graphicsMemory(controllers: readonly Controller[], machine: MachineMemory): MachineMemory | null {
  let [best, shared]: [MachineMemory | null, boolean] = [null, false];
  for (const { memoryTotal, memoryFree, vram, vramDynamic } of controllers) {
    const total = (memoryTotal || vram || 0) * megabyte;
    shared ||= vramDynamic === true;
    if (vramDynamic || total <= (best?.total ?? 0)) continue;
    best = { total, free: memoryTotal && memoryFree !== undefined ? memoryFree * megabyte : total };
  }
  return best ?? (shared ? machine : null);
}
