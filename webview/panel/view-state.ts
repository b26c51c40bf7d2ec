import type { KeptDenoising } from './kept-denoising.ts';

/** What the user chose to look at; it outlives the page, which VS Code ends whenever it is hidden. */
export interface ViewState {
  readonly version: 1;
  /** Directories of the runs. */
  readonly shown: string | null;
  readonly compared: string | null;
  /** Sections that are closed. */
  readonly closed: readonly string[];
  /** Completions that are asked for at once. */
  readonly alternatives: number;
  /** The page of samples of the run that is shown; null: its last step. */
  readonly samples: { readonly dir: string; readonly step: number; readonly offset: number } | null;
  readonly denoising: KeptDenoising | null;
  /** Where the denoising stands; null: behind its last step. */
  readonly position: number | null;
}

const initial: ViewState = {
  version: 1,
  shown: null,
  compared: null,
  closed: [],
  alternatives: 3,
  samples: null,
  denoising: null,
  position: null,
};

/** The view's state, to be read and changed. */
export interface ViewStore {
  readonly state: ViewState;
  change(part: Partial<ViewState>): void;
}

/** Begins with what was kept; what an older version kept is forgotten. */
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
