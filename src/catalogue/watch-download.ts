import { progressLine } from '../platform/download-progress.ts';

/** Milliseconds between two lines. */
const every = 1000;
/** Longest and shortest time in milliseconds over which the speed is measured. */
const window = 10_000;
const least = 2000;

/** Reports the progress of a download once a second, with the speed over the last ten seconds. */
export class WatchedDownload {
  readonly #total: number;
  readonly #report: (line: string) => void;
  readonly #now: () => number;
  #done = 0;
  #fresh = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #marks: { readonly time: number; readonly fresh: number }[] = [];

  constructor(total: number, report: (line: string) => void, now: () => number = () => performance.now()) {
    this.#total = total;
    this.#report = report;
    this.#now = now;
  }

  /** @param fresh whether the bytes came over the network; other bytes do not count towards the speed */
  add(bytes: number, fresh: boolean, file: string): void {
    this.#done += bytes;
    if (fresh) this.#fresh += bytes;
    const time = this.#now();
    if (time - this.#reportedAt < every && this.#done < this.#total) return;
    this.#reportedAt = time;
    const oldest = this.#marks.find((mark) => time - mark.time <= window);
    const rate =
      oldest === undefined || time - oldest.time < least
        ? null
        : (1000 * (this.#fresh - oldest.fresh)) / (time - oldest.time);
    this.#marks = [...this.#marks.filter((mark) => time - mark.time <= window), { time, fresh: this.#fresh }];
    this.#report(progressLine({ done: this.#done, total: this.#total, rate, file }));
  }
}
