import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { UserError } from '../platform/errors.ts';
import type {
  ComputeAnswer,
  ComputeDevice,
  ComputeRequest,
  GeneratedCanvases,
  GroupToGenerate,
} from './compute-messages.ts';
import type { AnnouncedRun } from './messages.ts';

/** How to start a computing process: a program of this package and its arguments. */
export interface ComputeProgram {
  readonly file: string;
  readonly args: readonly string[];
  readonly execArgv?: readonly string[];
}

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A computing process, seen from its parent. It is started again if it has ended. */
export class Computer {
  readonly #program: ComputeProgram;
  readonly #waiting = new Map<
    number,
    { resolve(result: GeneratedCanvases | ComputeDevice): void; reject(error: Error): void }
  >();
  #child: ChildProcess | null = null;
  /** The policy that the process has: of which model, and which. */
  #has: { readonly model: string; readonly policy: string } | null = null;
  #lastId = 0;

  constructor(program: ComputeProgram) {
    this.#program = program;
  }

  async device(): Promise<ComputeDevice> {
    return (await this.#ask({ kind: 'device' })) as ComputeDevice;
  }

  /** Generates a group. `fetchPolicy` is called if the process does not have the policy. */
  async generate(
    run: AnnouncedRun['model'],
    base: string,
    policy: string,
    group: GroupToGenerate,
    fetchPolicy: () => Promise<Uint8Array>,
  ): Promise<GeneratedCanvases> {
    const model = JSON.stringify([run, base]);
    this.#start();
    const isThere = this.#has?.model === model && this.#has.policy === policy;
    const bytes = isThere ? {} : { bytes: await fetchPolicy() };
    this.#has = null;
    const result = await this.#ask({ kind: 'generate', model: run, base, policy, ...bytes, group });
    this.#has = { model, policy };
    return result as GeneratedCanvases;
  }

  /** Ends the process. What it is computing is lost. */
  async close(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  #ask(request: Unnumbered<ComputeRequest>): Promise<GeneratedCanvases | ComputeDevice> {
    const id = ++this.#lastId;
    const child = this.#start();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      child.send({ ...request, id });
    });
  }

  #start(): ChildProcess {
    if (this.#child) return this.#child;
    const { file, args, execArgv } = this.#program;
    const child = fork(file, args, {
      serialization: 'advanced',
      // What native libraries print goes to stderr.
      stdio: ['ignore', 2, 2, 'ipc'],
      ...(execArgv ? { execArgv: [...execArgv] } : {}),
    });
    this.#child = child;
    this.#has = null;
    child.on('message', (answer: ComputeAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new UserError(answer.error));
      else waiting?.resolve(answer.result);
    });
    const end = (reason: string) => {
      if (this.#child === child) this.#child = null;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of waiting) reject(new UserError(`The computing process ended (${reason}).`));
    };
    child.on('error', (error) => end(error.message));
    child.on('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    return child;
  }
}
