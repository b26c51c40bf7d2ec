import type { ModelMemory } from './models.ts';
import type { NextEditMode } from './next-edits.ts';
import type { Denoising } from './report.ts';
import type { Frame } from './sample.ts';

/**
 * Messages between the extension and the language server in addition to those of LSP (completions use
 * `textDocument/inlineCompletion` of LSP 3.18). Each comment says who sends the message and why.
 */

/** Server to client, after every change: whether completions are available, the model, and the latency. */
export const statusChanged = 'unmask/status';
export interface RuntimeStatus {
  /** `idle`: no model is loaded yet, the first request loads it; `evicted`: it was unloaded to free memory for a job and is reloaded automatically. */
  readonly state: 'idle' | 'loading' | 'ready' | 'evicted' | 'failed';
  /** The model as specified in the settings, and its folder; null if it was not found. */
  readonly model: string;
  readonly folder: string | null;
  readonly device: { readonly engine: string; readonly device: string } | null;
  /** Why there are no completions, one sentence; null if there are. */
  readonly problem: string | null;
  readonly latency: Latency;
}

/** Time from a request to its answer, without the debounce, over the last 200 requests that ran the model. */
export interface Latency {
  readonly requests: number;
  /** Milliseconds; null before the first. */
  readonly p50: number | null;
  readonly p95: number | null;
}

/** Client to server: the user accepted a suggestion, so the next one can be prefetched. */
export const suggestionAccepted = 'unmask/accepted';
export interface AcceptedSuggestion {
  /** `CompletionTrace.id` of the request that it came from. */
  readonly request: number;
  readonly alternative: number;
}

/**
 * Client to server: the cursor has not moved for a moment. If the model keeps the context that it read last, the server reads the
 * text around the cursor now, so that the first suggestion there takes less time.
 */
export const cursorRests = 'unmask/cursorRests';
export interface RestingCursor {
  readonly uri: string;
  readonly line: number;
  readonly character: number;
}

/**
 * The command that VS Code runs when a user accepts a suggestion, with an `AcceptedSuggestion`. The server attaches it to
 * each suggestion, and the client registers it. package.json does not declare it because users never run it themselves.
 */
export const suggestionAcceptedCommand = 'unmask.suggestionAccepted';

/** Client to server: no suggestions until this time, milliseconds since 1970; null ends the snooze. */
export const snooze = 'unmask/snooze';
export interface Snooze {
  readonly until: number | null;
}

/** Client to server, a request without parameters: the decision path of the last completion; null if there was none. */
export const lastCompletion = 'unmask/lastCompletion';

/** The outcome of a request. */
export type CompletionOutcome =
  | 'off'
  | 'snoozed'
  | 'language-off'
  | 'long-line'
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
  /** The decisions, in order. */
  readonly path: readonly string[];
  readonly source: 'model' | 'copies' | 'cache' | 'prefetch' | null;
  readonly multiline: boolean | null;
  readonly alternatives: readonly TracedAlternative[];
  /** The model that wrote alternatives; null if none did. */
  readonly model: string | null;
  readonly contextTokens: number | null;
  readonly forwards: number | null;
  readonly tokensPerForward: number | null;
  /** Milliseconds by phase: `wait` (debounce), `copies`, `load`, `queue`, `context`, `denoise`, `total`. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

export interface TracedAlternative {
  readonly text: string;
  /** Mean probability of its tokens when they were revealed; null for a copy that the model does not propose. */
  readonly confidence: number | null;
  /** The rule that rejected it; null if it was accepted. */
  readonly discardedBy: string | null;
  /** Probability that it is right, by the gate; absent if a rule rejected it before. */
  readonly probability?: number;
  /** Where the text was copied from; absent if only the model proposes it. */
  readonly copiedFrom?: CopyOrigin;
}

/** The place that a suggestion was copied from. */
export interface CopyOrigin {
  /** Path with forward slashes, or the URI of a document without a file. */
  readonly name: string;
  /** From 1. */
  readonly line: number;
  /** Bytes before the cursor that match those before the copied text. */
  readonly matched: number;
  /** Number of places with this text. */
  readonly count: number;
}

/** Client to server, a request: complete at a position and send the denoising; frames are partial results of type `DenoisingFrame`. */
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
  /** Index of the alternative that an editor would show first. */
  readonly best: number;
  readonly forwards: number;
  readonly milliseconds: number;
}

/** Client to server, a request: the `Denoising` of a sample of a run. The server makes it, because it has the tokenizer. */
export const sampleDenoising = 'unmask/sampleDenoising';
export interface SampleDenoisingParameters {
  /** The run directory. */
  readonly dir: string;
  readonly step: number;
  /** Index of the sample in its step, from 0. */
  readonly index: number;
}

/** Client to server: whether to send the frames of every completion to the panel, as `completionFrame`, and its `completionDecided`. */
export const watchCompletions = 'unmask/watch';
export interface WatchCompletions {
  readonly on: boolean;
}

/** Server to client, while a panel is visible: one step of the first alternative of the current completion. */
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

/** Server to client, while a panel is visible: the decision path of a completion that was not superseded while it was made. */
export const completionDecided = 'unmask/decided';

/** Client to server, a request without parameters: the models that can be chosen. */
export const listModels = 'unmask/models';
export interface ModelSummary {
  /** A value of the setting `unmask.model`. */
  readonly name: string;
  readonly kind: 'bundled' | 'installed' | 'run' | 'adapter';
  readonly folder: string;
  readonly parameters: number | null;
  /** Size of its weights. */
  readonly bytes: number;
  /** Whether it completes code: its tokenizer has an end-of-middle token. */
  readonly completes: boolean;
  /** First heading of its model card. */
  readonly description: string;
  /** The licence in its model card; null: not stated. */
  readonly licence: string | null;
  /** The commit on the hub; null if it is not from the hub. */
  readonly revision: string | null;
  readonly memory: ModelMemory;
  /** Why the runtime cannot load it; null if it can. */
  readonly problem: string | null;
  /** The median time of a suggestion on this machine; absent: not measured. */
  readonly suggestion_milliseconds?: number;
  /** A base that can be added by its name, and without which the model cannot be used; absent: there is none, or it is installed. */
  readonly missing_base?: MissingBase;
}

/** A published model that an adapter needs. */
export interface MissingBase {
  readonly name: string;
  /** Bytes to download. */
  readonly bytes: number;
  readonly licence: string;
}

/** Client to server: the settings that completions depend on, sent at the start and when they change. */
export const settingsChanged = 'unmask/settings';
export interface RuntimeSettings {
  readonly model: string;
  readonly engine: string;
  readonly device: string;
  readonly completions: CompletionSettings;
  /** Whether next edits are proposed (`next-edits.ts`). Default: on request. */
  readonly nextEdits?: NextEditMode;
  /** URIs of the workspace's folders whose files are read for copies. Default: the folders of LSP's `initialize`. */
  readonly copyFolders?: readonly string[];
}
export interface CompletionSettings {
  readonly enabled: boolean;
  /** Whether completions are on, by language id; `*` applies to all other languages. */
  readonly languages: Readonly<Record<string, boolean>>;
  readonly multiline: 'auto' | 'always' | 'never';
  readonly inCommentsAndStrings: boolean;
  /** Milliseconds without a keystroke before an automatic request goes to the model. */
  readonly debounce: number;
  /** Number of alternatives. */
  readonly alternatives: number;
  /** Maximum number of context tokens around the cursor. */
  readonly contextTokens: number;
  /** Denoising steps after which a context that attends to the suggestion is read again; 1: in every step. */
  readonly contextRefresh: number;
  /** Confidence needed to reveal several tokens in one step. */
  readonly threshold: number;
  readonly prefetch: boolean;
  /** How readily suggestions are shown while the user types: `balanced` if about half of them are right. `always`: without the gate. */
  readonly eagerness: 'always' | 'eager' | 'balanced' | 'careful';
  /** Whether text is copied from open documents and the workspace's files. */
  readonly copies: boolean;
}
