import { createHash } from 'node:crypto';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import type { JumpableRandomGenerator } from 'pure-rand/types/JumpableRandomGenerator';

/**
 * A seeded stream of random numbers. Streams have names and are not drawn from each other: `new Random(seed,
 * 'rollout', 3)` is the same stream whatever was drawn before. Work can therefore be resumed, reordered or batched
 * differently with the same random numbers.
 */
export class Random {
  readonly #generator: JumpableRandomGenerator;

  constructor(seed: number, ...path: readonly (string | number)[]) {
    const digest = createHash('sha256')
      .update(JSON.stringify([seed, ...path]))
      .digest();
    this.#generator = xoroshiro128plusFromState([0, 4, 8, 12].map((offset) => digest.readInt32LE(offset)));
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    const high = this.#generator.next() >>> 5;
    const low = this.#generator.next() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** Uniform integer in [0, bound). */
  integer(bound: number): number {
    return uniformInt(this.#generator, 0, bound - 1);
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)] as T;
  }

  /** A new array in random order (Fisher and Yates). */
  shuffle<T>(items: Iterable<T>): T[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
    }
    return shuffled;
  }

  /** `count` different integers in [0, bound), in random order. */
  sample(bound: number, count: number): number[] {
    const numbers = Array.from({ length: bound }, (_, index) => index);
    for (let index = 0; index < count; index++) {
      const other = index + this.integer(bound - index);
      [numbers[index], numbers[other]] = [numbers[other] as number, numbers[index] as number];
    }
    return numbers.slice(0, count);
  }
}
