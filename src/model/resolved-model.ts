import type { ReadConfig } from './architectures/read-config.ts';
import type { GenerationDefaults } from './generation.ts';
import type { AdapterConfig } from './lora.ts';
import type { Precision } from './precision.ts';

/**
 * A model on disk, resolved once from its name or path. It holds everything that the small files of the model say;
 * weights and tokenizer are read by `openCheckpoint`.
 */
export interface ResolvedModel extends ReadConfig {
  /** The name of a bundled or installed model; the folder for every other model. */
  readonly name: string;
  /** The checkpoint or adapter folder. */
  readonly folder: string;
  /** The folder of the full weights, the configuration and the tokenizer: `folder`, or the folder of an adapter's base. */
  readonly base: string;
  readonly generation: GenerationDefaults;
  /** Null: the model has full weights. */
  readonly adapter: AdapterConfig | null;
  /** The precision of the base's projections. */
  readonly precision: Precision;
  /** Identifies the weights, including those of an adapter's base. Computed on the first call, which reads the weights. */
  readonly digest: () => Promise<string>;
  /** Identifies the weights in `base`. Computed on the first call. */
  readonly baseDigest: () => Promise<string>;
}
