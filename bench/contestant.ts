import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { WorkName } from './works.ts';

/** What a worker process is asked, one JSON object a line on its stdin. */
export interface WorkRequest {
  readonly work: WorkName;
  readonly runs: number;
}

const answer = z.object({
  /** Of each run. */
  seconds: z.array(z.number().nonnegative()),
  /** What each run came to, the same for everyone who does the same work; null where it is random. */
  checks: z.array(z.number().nullable()),
  /** Of the model that the work is done with. */
  parameters: z.number().nullable(),
  /** The process's high-water mark so far, in MiB. */
  peakMemory: z.number(),
});

/** What a worker process answers, one JSON object a line on its stdout. */
export type WorkAnswer = z.infer<typeof answer>;

/** The answer that a line holds; null where it is something else, such as what a library prints. */
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

/** Seconds after which a worker that does not answer is given up. */
const patience = 120;

/** A worker process: it does work when it is asked, one run after the other, and says how long each took. */
export class Contestant {
  readonly #child: ChildProcessWithoutNullStreams;
  /** The last lines of stderr, for when it fails. */
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
    // Asking one that is gone is answered by `close`.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('close', (code, ended) => {
      const complaint = this.#complaints.trim().split('\n').at(-1);
      this.#fail(new Error(complaint || `it ended ${ended ? `by ${ended}` : `with exit code ${code}`}`));
    });
  }

  /** Throws where the process does not answer, with the last line that it complained. */
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

/** Worker processes by how they were started; each is started when it is first asked for. */
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
