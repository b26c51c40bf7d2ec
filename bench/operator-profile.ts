import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { OnnxEngine } from '../src/engine/onnx/onnx-engine.ts';
import { median } from '../src/evaluation/statistics.ts';
import { readJson } from '../src/platform/files.ts';
import { prepareWork } from './works.ts';

/** The time that a training step spends in an operator. */
export interface OperatorTime {
  readonly operator: string;
  /** Number of nodes with this operator in the program. */
  readonly nodes: number;
  readonly seconds: number;
  /** Share of the time of all operators. */
  readonly share: number;
}

const steps = 3;

/** Profiles a training step with ONNX Runtime's own profiler on its CPU provider. The slowest operators come first. */
export async function profileTrainingStep(puzzleModel: string): Promise<OperatorTime[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-profile-'));
  try {
    const engine = new OnnxEngine('cpu', undefined, path.join(folder, 'profile'));
    const { run, dispose } = await prepareWork('train-step', engine, puzzleModel);
    for (let step = 0; step < steps; step++) await run();
    await dispose();
    const file = (await readdir(folder)).find((name) => name.endsWith('.json'));
    if (!file) throw new Error(`ONNX Runtime left no profile in ${folder}`);
    return operatorTimes(await readJson(path.join(folder, file)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const kernel = z.object({
  cat: z.literal('Node'),
  name: z.string().endsWith('_kernel_time'),
  dur: z.number(),
  args: z.object({ op_name: z.string() }),
});

/** Summarises a profile of several runs. The time of a node is the median over the runs. */
export function operatorTimes(profile: unknown): OperatorTime[] {
  const runs = new Map<string, { operator: string; micros: number[] }>();
  for (const event of z.array(z.unknown()).parse(profile)) {
    const parsed = kernel.safeParse(event);
    if (!parsed.success) continue;
    const { name, dur, args } = parsed.data;
    const node = runs.get(name) ?? { operator: args.op_name, micros: [] };
    node.micros.push(dur);
    runs.set(name, node);
  }
  const operators = new Map<string, { nodes: number; seconds: number }>();
  let total = 0;
  for (const { operator, micros } of runs.values()) {
    const seconds = median(micros) / 1e6;
    const sum = operators.get(operator) ?? { nodes: 0, seconds: 0 };
    operators.set(operator, { nodes: sum.nodes + 1, seconds: sum.seconds + seconds });
    total += seconds;
  }
  return [...operators]
    .map(([operator, { nodes, seconds }]) => ({ operator, nodes, seconds, share: seconds / total }))
    .sort((a, b) => b.seconds - a.seconds);
}
