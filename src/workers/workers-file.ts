import { writeJson } from '../platform/files.ts';
import type { RunWorker, RunWorkersRecord } from '../protocol/run.ts';
import { runFile } from '../runs/layout.ts';
import type { RunningJob } from '../runs/run-job.ts';
import type { QueueServer } from './queue-server.ts';
import { registeredWorkers } from './registry.ts';

/** `workers.json` of a run: the workers that are there, for the run's view. */
export class WorkersFile {
  readonly #server: QueueServer;
  readonly #job: RunningJob;
  readonly #run: string;
  readonly #refused = new Set<string>();
  #writing: Promise<void> = Promise.resolve();

  constructor(server: QueueServer, job: RunningJob, run: string) {
    this.#server = server;
    this.#job = job;
    this.#run = run;
  }

  /** Reads from the server who is there, and warns of workers that cannot help this run. */
  async update(): Promise<void> {
    const found = await registeredWorkers(this.#server.redis);
    const workers = found.map(({ refused, roles, ...worker }): RunWorker => {
      const reason = refused.find(({ run }) => run === this.#run)?.reason;
      return { ...worker, ...(reason === undefined ? {} : { refused: reason }) };
    });
    for (const { name, refused } of workers) {
      if (refused === undefined || this.#refused.has(`${name} ${refused}`)) continue;
      this.#refused.add(`${name} ${refused}`);
      await this.#job.warn(`The worker ${name} cannot help: ${refused}`);
    }
    await this.write(workers);
  }

  /** Writes the file. One that cannot be written does not stop the run. */
  async write(workers: readonly RunWorker[]): Promise<void> {
    const { run } = this.#job;
    const { text: queue } = this.#server.address;
    const record: RunWorkersRecord = { schema: 1, queue, time: new Date().toISOString(), workers };
    this.#writing = this.#writing.then(() => writeJson(runFile(run.dir).workers, record).catch(() => undefined));
    await this.#writing;
  }
}
