import type { ModelMemory } from './models.ts';
import type { Denoising } from './report.ts';
import type { Frame } from './sample.ts';

/**
 * What the extension and the language server say to each other beside LSP's own messages (LSP 3.18 carries the
 * completions themselves: `textDocument/inlineCompletion`). Each says who sends it and why.
 */

/** Server to client, after every change: whether completions can be had, from what, and how fast they come. */
export const statusChanged = 'unmask/status';
export interface RuntimeStatus {
  /** `idle`: no model is loaded yet, the first request loads it; `evicted`: it made room for a job and comes back by itself. */
  readonly state: 'idle' | 'loading' | 'ready' | 'evicted' | 'failed';
  /** The model as the setting names it, and the folder that it was found in; null where none was. */
  readonly model: string;
  readonly folder: string | null;
  readonly device: { readonly engine: string; readonly device: string } | null;
  /** Why there are no completions, one sentence; null where there are. */
  readonly problem: string | null;
  readonly latency: Latency;
}

/** From a request's arrival to its answer, the wait for the next keystroke left out, of the last 200 that ran the model. */
export interface Latency {
  readonly requests: number;
  /** Milliseconds; null before the first. */
  readonly p50: number | null;
  readonly p95: number | null;
}

/** Client to server: the user took a suggestion, so the next one is worth preparing. */
export const suggestionAccepted = 'unmask/accepted';
export interface AcceptedSuggestion {
  /** `CompletionTrace.id` of the request that it came from. */
  readonly request: number;
  readonly alternative: number;
}

/**
 * The command that VS Code runs when a user accepts a suggestion, with an `AcceptedSuggestion`. The server attaches it to
 * each suggestion, and the client registers it. package.json does not declare it because users never run it themselves.
 */
export const suggestionAcceptedCommand = 'unmask.suggestionAccepted';

/** Client to server: no suggestions before then, milliseconds since 1970; null ends the snooze. */
export const snooze = 'unmask/snooze';
export interface Snooze {
  readonly until: number | null;
}

/** Client to server, a request without parameters: how the last completion was decided; null where there was none. */
export const lastCompletion = 'unmask/lastCompletion';

/** Why a request came to what it came to. */
export type CompletionOutcome =
  | 'off'
  | 'snoozed'
  | 'language-off'
  | 'in-comment'
  | 'in-string'
  | 'suggest-widget'
  | 'no-model'
  | 'debounced'
  | 'cancelled'
  | 'failed'
  | 'discarded'
  | 'shown';

/** The decision path of one request. */
export interface CompletionTrace {
  readonly id: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly uri: string;
  /** From 0. */
  readonly line: number;
  readonly character: number;
  readonly languageId: string;
  readonly trigger: 'automatic' | 'invoked';
  readonly outcome: CompletionOutcome;
  /** The outcome in one sentence. */
  readonly reason: string;
  /** What was decided on the way, in order. */
  readonly path: readonly string[];
  readonly source: 'model' | 'cache' | 'prefetch' | null;
  readonly multiline: boolean | null;
  readonly alternatives: readonly TracedAlternative[];
  readonly contextTokens: number | null;
  readonly forwards: number | null;
  readonly tokensPerForward: number | null;
  /** Milliseconds by phase: `wait` (debounce), `load`, `queue`, `context`, `denoise`, `total`. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

export interface TracedAlternative {
  readonly text: string;
  /** Mean probability of its tokens when they were revealed. */
  readonly confidence: number;
  /** The rule that discarded it; null where it was kept. */
  readonly discardedBy: string | null;
}

/** Client to server, a request: complete here and show how; frames come as partial results of type `DenoisingFrame`. */
export const denoiseHere = 'unmask/denoise';
export interface DenoiseParameters {
  readonly uri: string;
  readonly line: number;
  readonly character: number;
  readonly seed: number;
  readonly alternatives: number;
  readonly partialResultToken?: string | number;
}
export interface DenoisingFrame {
  readonly alternative: number;
  readonly frame: Frame;
}
export interface DenoiseResult {
  readonly alternatives: readonly {
    readonly text: string;
    readonly confidence: number;
    readonly denoising: Denoising;
  }[];
  /** Place of the alternative that an editor would show first. */
  readonly best: number;
  readonly forwards: number;
  readonly milliseconds: number;
}

/** Client to server, a request: how a sample of a run was denoised, as a `Denoising`; the model's tokenizer has its words. */
export const sampleDenoising = 'unmask/sampleDenoising';
export interface SampleDenoisingParameters {
  /** The run directory. */
  readonly dir: string;
  readonly step: number;
  /** Place of the sample in its step, from 0. */
  readonly index: number;
}

/** Client to server: whether the panel wants the frames of every completion, as `completionFrame`. */
export const watchCompletions = 'unmask/watch';
export interface WatchCompletions {
  readonly on: boolean;
}

/** Server to client, while somebody watches: one step of the completion under way, its first alternative. */
export const completionFrame = 'unmask/frame';
export interface CompletionFrame {
  readonly request: number;
  readonly uri: string;
  readonly line: number;
  readonly character: number;
  readonly prefixTail: string;
  readonly frame: Frame;
  readonly done: boolean;
}

/** Client to server, a request without parameters: the models that can be chosen. */
export const listModels = 'unmask/models';
export interface ModelSummary {
  /** What the setting `unmask.model` takes. */
  readonly name: string;
  readonly kind: 'bundled' | 'installed' | 'run' | 'adapter';
  readonly folder: string;
  readonly parameters: number | null;
  /** Of its weights. */
  readonly bytes: number;
  /** Whether it completes code: it knows an end of the middle. */
  readonly completes: boolean;
  /** First heading of its card. */
  readonly description: string;
  /** As its card says; null: it says none. */
  readonly licence: string | null;
  /** The commit of the hub that it was taken at; null: it is from elsewhere. */
  readonly revision: string | null;
  readonly memory: ModelMemory;
  /** Why the runtime cannot load it; null where it can. */
  readonly problem: string | null;
}

/** Settings that completions depend on, as the client reads them from `unmask.*` and sends them when they change. */
export const settingsChanged = 'unmask/settings';
export interface RuntimeSettings {
  readonly model: string;
  readonly engine: string;
  readonly device: string;
  readonly completions: CompletionSettings;
}
export interface CompletionSettings {
  readonly enabled: boolean;
  /** Language ids with a switch of their own; `*` stands for all others. */
  readonly languages: Readonly<Record<string, boolean>>;
  readonly multiline: 'auto' | 'always' | 'never';
  readonly inCommentsAndStrings: boolean;
  /** Milliseconds without a keystroke before an automatic request goes to the model. */
  readonly debounce: number;
  /** Completions made at once, to cycle through. */
  readonly alternatives: number;
  /** Tokens of text around the cursor that are read. */
  readonly contextTokens: number;
  /** Probability above which a token is revealed at once with others. */
  readonly threshold: number;
  readonly prefetch: boolean;
}
