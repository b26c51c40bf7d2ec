import { spawn } from 'node:child_process';
import { median } from '../src/evaluation/statistics.ts';
import { ownProgram } from './worker.ts';

/** A command to measure from the start of its process to its exit. */
export interface StartUp {
  readonly args: readonly string[];
  readonly runs: number;
  readonly signal: AbortSignal;
}

/** Median seconds of running this program with the given arguments. Throws if it fails. */
export async function measureStartUp({ args, runs, signal }: StartUp): Promise<number> {
  const seconds: number[] = [];
  for (let run = 0; run < runs; run++) seconds.push(await timeOnce(args, signal));
  return median(seconds);
}

function timeOnce(args: readonly string[], signal: AbortSignal): Promise<number> {
  const program = ownProgram();
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program.command, [...program.args, ...args], { stdio: 'ignore', windowsHide: true, signal });
    child.on('error', reject);
    child.on('exit', (code, ended) => {
      if (code === 0) resolve((performance.now() - start) / 1000);
      else reject(new Error(`unmask ${args[0]} ended ${ended ? `by ${ended}` : `with exit code ${code}`}`));
    });
  });
}
