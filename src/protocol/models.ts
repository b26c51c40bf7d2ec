/** Memory that a model needs, and memory of the machine. */
export interface ModelMemory {
  /** Approximate bytes that the loaded model needs; null: unknown. */
  readonly needed: number | null;
  /** Bytes of the machine. */
  readonly available: number;
}

/** A model on the hub before its download: `model` in the document of `unmask models add OWNER/NAME --dry-run`. */
export interface ModelOffer {
  readonly name: string;
  /** The commit to download. */
  readonly revision: string;
  /** The installed commit under this name; null: none. */
  readonly installed: string | null;
  /** Size of the files to download. */
  readonly bytes: number;
  /** The licence in its model card; null: not stated. */
  readonly licence: string | null;
  /** Whether the user must accept its terms on the hub first. */
  readonly gated: boolean;
  readonly parameters: number | null;
  readonly memory: ModelMemory;
  /** Why the runtime cannot load it; null if it can. */
  readonly problem: string | null;
}

/** What `unmask models add` found when it opened a model: `trial` in its document. */
export interface ModelTrial {
  /** Layers of the forward pass that was computed, after all weights were read and a text was encoded; 0: none. */
  readonly layers: number;
  /** Layers of the model. */
  readonly of: number;
  readonly warnings: readonly string[];
  /** The sentence of the first thing that failed; null if the model can be used. */
  readonly problem: string | null;
}
