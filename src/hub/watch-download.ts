import { progressLine } from '../platform/download-progress.ts';

/** Milliseconds between two lines. */
const every = 1000;
/** Milliseconds over which speed is measured. */
const window = 10_000;

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
    const seconds = oldest === undefined ? 0 : (time - oldest.time) / 1000;
    const rate = oldest === undefined || seconds <= 0 ? null : (this.#fresh - oldest.fresh) / seconds;
    this.#marks = [...this.#marks.filter((mark) => time - mark.time <= window), { time, fresh: this.#fresh }];
    this.#tell(progressLine({ done: this.#done, total: this.#total, rate, file }));
  }
}
