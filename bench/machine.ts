import { availableParallelism, cpus, totalmem } from 'node:os';

/** The machine on which a bench was run. */
export interface Machine {
  /** Number of threads that this process can run in parallel. */
  readonly cores: number;
  readonly cpu: string;
  /** GiB. */
  readonly memory: number;
  readonly platform: string;
  readonly node: string;
  /** Version of ONNX Runtime; null: it cannot be loaded. */
  readonly onnxruntime: string | null;
  readonly engine: string;
  readonly device: string;
}

export async function describeMachine({ engine, device }: Pick<Machine, 'engine' | 'device'>): Promise<Machine> {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memory: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    onnxruntime: await onnxruntimeVersion(),
    engine,
    device,
  };
}

async function onnxruntimeVersion(): Promise<string | null> {
  try {
    return (await import('onnxruntime-node')).env.versions.node ?? null;
  } catch {
    return null;
  }
}
