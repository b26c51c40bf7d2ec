import { availableParallelism, cpus } from 'node:os';
import type { Engine } from '../engine/engine.ts';
import { packageVersion } from '../platform/package-root.ts';

/**
 * The kind of machine: version (which also determines the engine's), engine, device, processor and threads. Two machines of one kind
 * compute the same numbers to the last bit; two kinds may round differently.
 */
export const machineKind = ({ name, device }: Pick<Engine, 'name' | 'device'>): string =>
  [
    `unmask ${packageVersion()}`,
    `${name} ${device}`,
    `${process.arch} ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
    `${availableParallelism()} threads`,
  ].join(', ');
