import type { SavedDenoising } from './saved-denoising.ts';

/** What the user has selected. It is saved, because VS Code discards the content of a hidden page. */
export interface ViewState {
  readonly version: 2;
  /** Directories of the runs. */
  readonly shown: string | null;
  readonly compared: readonly string[];
  /** Steps over which curves are smoothed; 1: not at all; null: depending on the number of steps. */
  readonly smoothing: number | null;
  /** Collapsed sections. */
  readonly closed: readonly string[];
  /** Number of completions per request. */
  readonly alternatives: number;
  /** The page of samples of the shown run; null: its last step. */
  readonly samples: { readonly dir: string; readonly step: number; readonly offset: number } | null;
  readonly denoising: SavedDenoising | null;
  /** Position of the player; null: after the last step. */
  readonly position: number | null;
}

const initial: ViewState = {
  version: 2,
  shown: null,
  compared: [],
  smoothing: null,
  closed: [],
  alternatives: 3,
  samples: null,
  denoising: null,
  position: null,
};

/** Reads and changes the view state. */
export interface ViewStore {
  readonly state: ViewState;
  change(part: Partial<ViewState>): void;
}

/** Starts from the saved state; a state of an older version is discarded. */
export function viewStore(kept: unknown, keep: (state: ViewState) => void): ViewStore {
  let state =
    (kept as Partial<ViewState> | undefined)?.version === initial.version
      ? { ...initial, ...(kept as ViewState) }
      : initial;
  return {
    get state() {
      return state;
    },
    change(part) {
      state = { ...state, ...part };
      keep(state);
    },
  };
}
