import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Engine } from '../src/engine/engine.ts';
import { findDevice, openEngine } from '../src/engine/open-engine.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import type { Launch, WorkAnswer, WorkRequest } from './contestant.ts';
import { type PreparedWork, prepareWork, type WorkName } from './works.ts';

/** Options of Unmask's own worker process. */
export interface WorkerOptions {
  readonly engine: string;
  readonly device: string;
  readonly threads: number;
  readonly puzzleModel: string;
}

/** The command that starts this program again: the bundle, or the source with the loader. */
export function ownProgram(): Launch {
  const here = fileURLToPath(import.meta.url);
  if (!here.endsWith('.ts')) return { command: process.execPath, args: [here] };
  const main = path.join(packageRoot(), 'src', 'cli', 'main.ts');
  return { command: process.execPath, args: ['--import', import.meta.resolve('tsx'), main] };
}

/** Launches Unmask's own worker process, which runs `serveWork`. */
export function workerLaunch({ engine, device, threads, puzzleModel }: WorkerOptions): Launch {
  const { command, args } = ownProgram();
  const options = ['--engine', engine, '--device', device, '--threads', `${threads}`, '--puzzle-model', puzzleModel];
  return { command, args: [...args, 'bench', '--worker', ...options] };
}

/** Answers requests on stdin until stdin ends. */
export async function serveWork({ engine: name, device, threads, puzzleModel }: WorkerOptions): Promise<void> {
  const engine = await openWith(name, device, threads);
  const ready = new Map<WorkName, PreparedWork>();
  for await (const line of createInterface({ input: process.stdin })) {
    const { work, runs } = JSON.parse(line) as WorkRequest;
    const prepared = ready.get(work) ?? (await prepareWork(work, engine, puzzleModel));
    ready.set(work, prepared);
    const seconds: number[] = [];
    const checks: (number | null)[] = [];
    for (let run = 0; run < runs; run++) {
      const start = performance.now();
      const check = await prepared.run();
      seconds.push((performance.now() - start) / 1000);
      checks.push(check());
    }
    const answer: WorkAnswer = { seconds, checks, parameters: prepared.parameters, peakMemory: peakMemory() };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

/** Opens an engine. The number of threads can be set only for ONNX Runtime on the CPU. */
async function openWith(name: string, device: string, threads: number): Promise<Engine> {
  if (name !== 'onnx' || device !== 'cpu') return openEngine(findDevice(name, device));
  const { OnnxEngine } = await import('../src/engine/onnx/onnx-engine.ts');
  return new OnnxEngine(device, threads);
}

/** Peak memory in MiB, from /proc on Linux: `resourceUsage` would include the parent's memory at the time of the fork. */
function peakMemory(): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
