import type { HostTensor } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import type { Random } from '../platform/random.ts';
import type { Level } from '../tasks/task.ts';

/** The source of the training problems of a run. */
export interface ProblemSource {
  /** Draws a problem; depends on `random` and on the observed results only. */
  draw(random: Random): unknown;
  /** Records whether the completions of problems passed; called once per step. */
  observe?(results: readonly { readonly row: unknown; readonly passed: boolean }[]): void;
  /** The recorded results, for a checkpoint. */
  state?(): ReadonlyMap<string, HostTensor>;
  /** Metrics of a step, by name. */
  metrics?(): Readonly<Record<string, number>>;
  /** The problems by difficulty; absent: the problems have no levels. */
  readonly levels?: readonly Level[];
}

/** The next level opens if at least this share of at least this number of attempts passes. */
const openingRule = { share: 0.25, attempts: 16 } as const;
/** After each step, earlier counts are multiplied by this factor, so that old results lose weight. */
const decay = 0.9;
/** The smallest weight of an open level. A level at which half of the attempts pass has the weight 1. */
const leastWeight = 0.1;
const stateName = 'curriculum';

/**
 * A curriculum: starts with the easiest level and opens the next one when enough attempts pass. Among the open levels
 * it prefers those at which about half of the attempts pass, because the rewards of a group differ most there, and
 * rewards that are all equal have no gradient.
 */
export class Curriculum implements ProblemSource {
  readonly levels: readonly Level[];
  readonly #levelOf: ReadonlyMap<unknown, number>;
  /** Attempts and passes of each level, decayed. */
  readonly #counts: Float32Array;

  /** `restored` is the state of the checkpoint that a run resumes from. */
  constructor(levels: readonly Level[], restored: ReadonlyMap<string, HostTensor> = new Map()) {
    this.levels = levels;
    this.#levelOf = new Map(levels.flatMap(({ rows }, index) => rows.map((row) => [row, index] as const)));
    const counts = restored.get(stateName);
    if (counts && counts.data.length !== 2 * levels.length)
      throw new UserError(
        `The checkpoint has a curriculum of ${counts.data.length / 2} levels, and the problems now have ${levels.length}; restore the workspace, or start a new run.`,
      );
    this.#counts = counts ? Float32Array.from(counts.data as Float32Array) : new Float32Array(2 * levels.length);
  }

  draw(random: Random): unknown {
    const weights = this.#weights();
    let left = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
    const index = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return random.pick(this.levels[index === -1 ? 0 : index]!.rows);
  }

  observe(results: readonly { readonly row: unknown; readonly passed: boolean }[]): void {
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i] = (this.#counts[i] as number) * decay;
    for (const { row, passed } of results) {
      const level = this.#levelOf.get(row);
      if (level === undefined) continue;
      this.#counts[2 * level]! += 1;
      if (passed) this.#counts[2 * level + 1]! += 1;
    }
  }

  state(): ReadonlyMap<string, HostTensor> {
    return new Map([[stateName, { shape: [this.levels.length, 2], data: this.#counts.slice() }]]);
  }

  /** The pass rate of each level that was attempted. */
  metrics(): Record<string, number> {
    return Object.fromEntries(
      this.levels.flatMap(({ name }, level) => {
        const [attempts, passes] = this.#countsOf(level);
        return attempts < 0.5 ? [] : [[`pass_rate/${name.replaceAll(' ', '_')}`, passes / attempts]];
      }),
    );
  }

  #weights(): number[] {
    let isOpen = true;
    return this.levels.map((_, level) => {
      if (!isOpen) return 0;
      const [attempts, passes] = this.#countsOf(level);
      isOpen = attempts >= openingRule.attempts && passes / attempts >= openingRule.share;
      const share = (passes + 1) / (attempts + 2);
      return Math.max(leastWeight, 4 * share * (1 - share));
    });
  }

  #countsOf(level: number): [attempts: number, passes: number] {
    return [this.#counts[2 * level] as number, this.#counts[2 * level + 1] as number];
  }
}
