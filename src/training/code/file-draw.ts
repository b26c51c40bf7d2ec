import type { Random } from '../../platform/random.ts';
import type { SourceFile } from './corpus.ts';

/** Draws source files with a probability in proportion to their length, so that every character has the same probability. */
export class FileDraw {
  readonly #files: readonly SourceFile[];
  /** The number of characters up to the end of each file. */
  readonly #ends: Float64Array;

  constructor(files: readonly SourceFile[]) {
    this.#files = files;
    let sum = 0;
    this.#ends = Float64Array.from(files, ({ text }) => {
      sum += text.length;
      return sum;
    });
  }

  draw(random: Random): SourceFile {
    const place = random.uniform() * (this.#ends.at(-1) as number);
    let [low, high] = [0, this.#ends.length - 1];
    while (low < high) {
      const half = (low + high) >> 1;
      if ((this.#ends[half] as number) > place) high = half;
      else low = half + 1;
    }
    return this.#files[low] as SourceFile;
  }
}
