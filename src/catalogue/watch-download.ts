import { progressLine } from '../platform/download-progress.ts';

/** Milliseconds between two lines. */
const every = 1000;
/** Milliseconds over which speed is measured, at most and at least: the first second goes by with many small files. */
const window = 10_000;
const least = 2000;

/** Tells how a download goes: a line a second, with the speed of the last ten. */
export class WatchedDownload {
  readonly #total: number;
  readonly #tell: (line: string) => void;
  readonly #now: () => number;
  #done = 0;
  #fresh = 0;
  #told = Number.NEGATIVE_INFINITY;
  #marks: { readonly time: number; readonly fresh: number }[] = [];

  constructor(total: number, tell: (line: string) => void, now: () => number = () => performance.now()) {
    this.#total = total;
    this.#tell = tell;
    this.#now = now;
  }

  /** @param fresh whether they came over the network; what lay there already says nothing about speed */
  add(bytes: number, fresh: boolean, file: string): void {
    this.#done += bytes;
    if (fresh) this.#fresh += bytes;
    const time = this.#now();
    if (time - this.#told < every && this.#done < this.#total) return;
    this.#told = time;
    const oldest = this.#marks.find((mark) => time - mark.time <= window);
    const rate =
      oldest === undefined || time - oldest.time < least
        ? null
        : (1000 * (this.#fresh - oldest.fresh)) / (time - oldest.time);
    this.#marks = [...this.#marks.filter((mark) => time - mark.time <= window), { time, fresh: this.#fresh }];
    this.#tell(progressLine({ done: this.#done, total: this.#total, rate, file }));
  }
}
