import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { WorkName } from './works.ts';

/** A request to a worker process, as one JSON object per line on its stdin. */
export interface WorkRequest {
  readonly work: WorkName;
  readonly runs: number;
}

const answer = z.object({
  /** Duration of each run. */
  seconds: z.array(z.number().nonnegative()),
  /** Result of each run, equal for all workers that do the same work; null: the result is random. */
  checks: z.array(z.number().nullable()),
  /** Number of parameters of the model; null: there is no model. */
  parameters: z.number().nullable(),
  /** Peak memory of the process so far, in MiB. */
  peakMemory: z.number(),
});

/** The answer of a worker process, as one JSON object per line on its stdout. */
export type WorkAnswer = z.infer<typeof answer>;

/** Parses a line as an answer; null if it is something else, such as output of a library. */
export function parseAnswer(line: string): WorkAnswer | null {
  try {
    return answer.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Seconds after which a worker without an answer counts as failed. */
const patience = 120;

/** A worker process that runs workloads on request, one after the other, and measures each run. */
export class Contestant {
  readonly #child: ChildProcessWithoutNullStreams;
  /** The last lines of stderr, for error messages. */
  #complaints = '';
  #waiting: { resolve: (answer: WorkAnswer) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;

  constructor({ command, args, env }: Launch, signal: AbortSignal) {
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, windowsHide: true, signal });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-2000);
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const parsed = parseAnswer(line);
      if (parsed) this.#waiting?.resolve(parsed);
    });
    // If the process has ended, `close` reports it, so write errors need no handling.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('close', (code, ended) => {
      const complaint = this.#complaints.trim().split('\n').at(-1);
      this.#fail(new Error(complaint || `it ended ${ended ? `by ${ended}` : `with exit code ${code}`}`));
    });
  }

  /** Runs a workload. If the process does not answer, throws an error with the last line of its stderr. */
  async measure(request: WorkRequest): Promise<WorkAnswer> {
    if (this.#failure) throw this.#failure;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<WorkAnswer>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        timer = setTimeout(() => this.#fail(new Error(`it did not answer within ${patience} s`)), patience * 1000);
        this.#child.stdin.write(`${JSON.stringify(request)}\n`);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.close();
  }
}

/** Worker processes by launch command. Each is started on first use. */
export class Contestants {
  readonly #running = new Map<string, Contestant>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get(launch: Launch): Contestant {
    const key = JSON.stringify(launch);
    const contestant = this.#running.get(key) ?? new Contestant(launch, this.#signal);
    this.#running.set(key, contestant);
    return contestant;
  }

  close(): void {
    for (const contestant of this.#running.values()) contestant.close();
  }
}
