import type { SpecialTokens } from '../model/config.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { TokenizerFiles } from '../model/tokenizer.ts';
import type { Random } from '../platform/random.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { Example } from './masked-diffusion-loss.ts';

/** How a base model is pretrained: what it is, what it reads, and how it is judged. */
export interface Recipe {
  readonly name: string;
  readonly description: string;
  /** Name of the model that it makes. */
  readonly modelName: string;
  readonly preset: string;
  /** Base of the rotary positions, as long as the texts ask for (`presetConfig`). */
  readonly ropeTheta: number;
  /** Whether the model predicts the next token (`causal` attention) and is no diffusion model; absent: no. */
  readonly autoregressive?: boolean;
  readonly generation: GenerationDefaults;
  /** Defaults of the training settings. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly steps: number;
  /** Makes ready what the training reads; where that is fetched or learnt, it takes minutes and says what it does. */
  prepare(hooks: PrepareHooks): Promise<Curriculum>;
}

export interface PrepareHooks {
  readonly progress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a model reads, and how it is judged. */
export interface Curriculum {
  /** What the model reads, as its card says it: paragraphs. */
  readonly data: readonly string[];
  readonly tokenizer: TokenizerFiles;
  readonly specials: SpecialTokens;
  /** What step `step` (from 1) reads: one or more batches that count alike. */
  examples(step: number, batchSize: number, random: Random): Example[][];
  /** How the answers that are scored are made, for the card; absent: greedily. */
  readonly answers?: string;
  /** The metric by which checkpoints are ranked, larger is better. */
  readonly bestBy: string;
  /** On held-out problems, at most `problems` of each kind. */
  evaluate(model: LanguageModel, problems: number): Promise<Evaluation>;
}
