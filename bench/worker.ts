import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Engine } from '../src/engine/engine.ts';
import { findDevice, openEngine } from '../src/engine/open-engine.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import type { Launch, WorkAnswer, WorkRequest } from './contestant.ts';
import { type PreparedWork, prepareWork, type WorkName } from './works.ts';

/** What our own worker process computes on. */
export interface WorkerOptions {
  readonly engine: string;
  readonly device: string;
  readonly threads: number;
  readonly puzzleModel: string;
}

/** How this program is started once more: the bundle, or from source with the loader. */
export function ownProgram(): Launch {
  const here = fileURLToPath(import.meta.url);
  if (!here.endsWith('.ts')) return { command: process.execPath, args: [here] };
  const main = path.join(packageRoot(), 'src', 'cli', 'main.ts');
  return { command: process.execPath, args: ['--import', import.meta.resolve('tsx'), main] };
}

/** Our own worker process, which ends up in `serveWork`. */
export function workerLaunch({ engine, device, threads, puzzleModel }: WorkerOptions): Launch {
  const { command, args } = ownProgram();
  const options = ['--engine', engine, '--device', device, '--threads', `${threads}`, '--puzzle-model', puzzleModel];
  return { command, args: [...args, 'bench', '--worker', ...options] };
}

/** Answers requests on stdin until it ends. */
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

/** Threads are ours to choose for ONNX Runtime on the CPU alone. */
async function openWith(name: string, device: string, threads: number): Promise<Engine> {
  if (name !== 'onnx' || device !== 'cpu') return openEngine(findDevice(name, device));
  const { OnnxEngine } = await import('../src/engine/onnx/onnx-engine.ts');
  return new OnnxEngine(device, threads);
}

/** MiB. Linux's own count is asked, since that of `resourceUsage` includes what the parent held when it forked. */
function peakMemory(): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
