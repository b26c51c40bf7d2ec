import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { PanelRun } from '../protocol/panel.ts';
import { bytesOf } from './disk-use.ts';
import { namesIn, runFile } from './layout.ts';
import { isOver, summarizeRun } from './reader.ts';

/** Polling intervals in milliseconds, with and without an active run. File system events are handled in between. */
const pollIntervals = { living: 2_000, ended: 10_000 } as const;
/** Changes within this time, in milliseconds, are handled together. */
const settleFor = 150;
/** How long the measured size of an active run's folder is used, in milliseconds. */
const sizeIsGoodFor = 30_000;

/** What changed since the previous poll. */
export interface RunsChange {
  readonly runs: readonly PanelRun[];
  /** The runs at the previous poll; empty at the first. */
  readonly before: readonly PanelRun[];
  /** Whether this is the first poll. */
  readonly first: boolean;
}

interface Known {
  readonly run: PanelRun;
  /** Changes when the run's configuration, status or labels change. */
  readonly stamp: string;
  readonly sizedAt: number;
}

/**
 * The runs under a folder, kept up to date by polling. A finished run costs three `stat` calls per poll. File system
 * events make changes visible at once, but are not required.
 */
export class RunFolder {
  readonly root: string;
  readonly #background: boolean;
  readonly #listeners = new Set<(change: RunsChange) => void>();
  readonly #known = new Map<string, Known>();
  readonly #watchers = new Map<string, FSWatcher>();
  #runs: readonly PanelRun[] = [];
  #first = true;
  #looking: Promise<void> | null = null;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  #following = false;

  /** @param options.background if true, following does not keep the process alive (default: false) */
  constructor(root: string, { background = false }: { readonly background?: boolean } = {}) {
    this.root = root;
    this.#background = background;
  }

  /** The runs at the last poll, newest first. */
  get runs(): readonly PanelRun[] {
    return this.#runs;
  }

  find(dir: string): PanelRun | undefined {
    return this.#runs.find((run) => run.dir === dir);
  }

  /** Calls the listener on every change from now on; returns a function that removes it. */
  onChange(listener: (change: RunsChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Polls now and whenever something may have changed, until `close`. */
  follow(): Promise<void> {
    this.#following = true;
    return this.look();
  }

  /** Polls now; resolves when `runs` is up to date. */
  look(): Promise<void> {
    if (this.#looking) {
      // A poll that is under way may have missed the latest change.
      this.#again = true;
      return this.#looking;
    }
    this.#looking = this.#lookUntilSettled().finally(() => {
      this.#looking = null;
      if (this.#following) this.#lookWithin(this.#runs.some(lives) ? pollIntervals.living : pollIntervals.ended);
    });
    return this.#looking;
  }

  close(): void {
    this.#following = false;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#listeners.clear();
  }

  async #lookUntilSettled(): Promise<void> {
    do {
      this.#again = false;
      await this.#lookOnce();
    } while (this.#again);
  }

  async #lookOnce(): Promise<void> {
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
    const runs: PanelRun[] = [];
    for (const name of (await namesIn(this.root)).sort().reverse()) {
      const run = await this.#lookAt(path.join(this.root, name));
      if (run) runs.push(run);
    }
    for (const dir of this.#known.keys()) if (!runs.some((run) => run.dir === dir)) this.#known.delete(dir);
    const before = this.#runs;
    const first = this.#first;
    this.#runs = runs;
    this.#first = false;
    if (this.#following) this.#watch([this.root, ...runs.filter(lives).map(({ dir }) => dir)]);
    if (first || JSON.stringify(before) !== JSON.stringify(runs))
      for (const listener of this.#listeners) listener({ runs, before, first });
  }

  /** One run; null if the folder is not a run directory. */
  async #lookAt(dir: string): Promise<PanelRun | null> {
    const files = runFile(dir);
    const [configuration, status, labels] = await Promise.all(
      [files.configuration, files.status, files.labels].map(changedAt),
    );
    if (configuration === null || configuration === undefined) return null;
    const stamp = `${configuration} ${status} ${labels}`;
    const known = this.#known.get(dir);
    if (known?.stamp === stamp && isOver(known.run.state)) return known.run;
    const summary = await summarizeRun(dir);
    const now = performance.now();
    const sized = known && lives(summary) && now - known.sizedAt < sizeIsGoodFor;
    const bytes = sized ? known.run.bytes : await bytesOf(dir);
    const run = { ...summary, bytes };
    this.#known.set(dir, { run, stamp, sizedAt: sized ? known.sizedAt : now });
    return run;
  }

  #lookWithin(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.look().catch(() => undefined), milliseconds);
    if (this.#background) this.#timer.unref();
  }

  #watch(folders: readonly string[]): void {
    for (const [folder, watcher] of this.#watchers)
      if (!folders.includes(folder)) {
        watcher.close();
        this.#watchers.delete(folder);
      }
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#lookWithin(settleFor));
        const forget = () => {
          watcher.close();
          this.#watchers.delete(folder);
        };
        // If the folder is removed or the file system has no events, polling still finds the changes.
        watcher.on('error', forget);
        this.#watchers.set(folder, watcher);
      } catch {
        // The folder does not exist yet or cannot be watched.
      }
    }
  }
}

const lives = ({ state }: { readonly state: PanelRun['state'] }): boolean => !isOver(state);

async function changedAt(file: string): Promise<number | null> {
  return (await stat(file).catch(() => null))?.mtimeMs ?? null;
}
