/** Whether a model fits into a machine's memory. */
export interface ModelMemory {
  /** Bytes that it needs once it is loaded, about; null: its size is unknown. */
  readonly needed: number | null;
  /** Bytes that the machine has. */
  readonly available: number;
}

/** A model of a hub, before it is downloaded: what `unmask models add OWNER/NAME --dry-run` prints as `model`. */
export interface ModelOffer {
  readonly name: string;
  /** The commit that is taken. */
  readonly revision: string;
  /** The commit that is installed under that name; null: none is. */
  readonly installed: string | null;
  /** Of the files that are taken. */
  readonly bytes: number;
  /** As its card says; null: it says none. */
  readonly licence: string | null;
  /** Whether its terms must be accepted on the hub first. */
  readonly gated: boolean;
  readonly parameters: number | null;
  readonly memory: ModelMemory;
  /** Why the runtime cannot load it; null where it can. */
  readonly problem: string | null;
}
