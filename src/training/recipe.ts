import type { SpecialTokens } from '../model/config.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { TokenizerFiles } from '../model/tokenizer.ts';
import type { Random } from '../platform/random.ts';
import type { Task } from '../tasks/task.ts';
import type { Example } from './masked-diffusion-loss.ts';

/** How a base model is pretrained: what it is, what it reads, and how it is judged. */
export interface Recipe {
  readonly name: string;
  readonly description: string;
  /** Name of the model that it makes. */
  readonly modelName: string;
  /** What the model reads, as its card says it: paragraphs. */
  readonly data: readonly string[];
  readonly preset: string;
  /** Base of the rotary positions, as long as the texts ask for (`presetConfig`). */
  readonly ropeTheta: number;
  readonly tokenizer: TokenizerFiles;
  readonly specials: SpecialTokens;
  readonly generation: GenerationDefaults;
  /** Defaults of the training settings. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly steps: number;
  /** What step `step` (from 1) reads: one or more batches that count alike. */
  examples(step: number, batchSize: number, random: Random): Example[][];
  /** Held-out problems that the model is evaluated on; the first decides which checkpoint is best. */
  readonly validation: readonly { readonly task: Task; readonly rows: readonly unknown[] }[];
}
