import type { RunEvent } from './events.ts';
import type { Denoising, ReportSample } from './report.ts';
import type { RunConfiguration, RunSummary } from './run.ts';
import type { CompletionFrame, DenoiseResult } from './runtime.ts';

/**
 * What the panel's page and the extension say to each other. The page holds no state that matters: it asks, and what it
 * shows after a reload is read anew from the run directories.
 */

/** Something that goes wrong in a run, and why. */
export interface RunWarning {
  readonly kind: 'not-finite' | 'collapse' | 'no-variance' | 'failed';
  /** What happened, its likely cause and what to do, one sentence. */
  readonly text: string;
  /** The step at which it was seen first. */
  readonly step: number;
}

/** A run in the panel's list. */
export interface PanelRun extends RunSummary {
  /** Everything in its folder. */
  readonly bytes: number;
}

/** A run that is shown: all that its curves need. */
export interface PanelRunContents {
  readonly run: PanelRun;
  readonly configuration: RunConfiguration;
  readonly events: readonly RunEvent[];
  readonly warnings: readonly RunWarning[];
  /** Steps whose samples are there, ascending. */
  readonly sampleSteps: readonly number[];
}

/** Extension to page. */
export type PanelUpdate =
  /** Whether completions can be had; sent when the page is ready and after every change. */
  | { readonly kind: 'runtime'; readonly ready: boolean; readonly model: string | null; readonly summary: string }
  /** Every run, newest first; sent when the page is ready and whenever one changes. */
  | { readonly kind: 'runs'; readonly runs: readonly PanelRun[] }
  /** The run that is shown, or the one beside it; null: none is. Sent when it is chosen, and when its log was rewound. */
  | { readonly kind: 'run'; readonly role: 'shown' | 'compared'; readonly contents: PanelRunContents | null }
  /** What was added to a run that is shown or compared. */
  | {
      readonly kind: 'events';
      readonly dir: string;
      readonly run: PanelRun;
      readonly events: readonly RunEvent[];
      readonly warnings: readonly RunWarning[];
      readonly sampleSteps: readonly number[];
    }
  /** A page of a step's completions. */
  | {
      readonly kind: 'samples';
      readonly dir: string;
      readonly step: number;
      /** Place of the first of `records` among the step's `total`. */
      readonly offset: number;
      readonly total: number;
      readonly records: readonly ReportSample[];
    }
  /** A sample of a run, as it was denoised. */
  | { readonly kind: 'sample-denoising'; readonly step: number; readonly index: number; readonly denoising: Denoising }
  /** A step of the completion that is under way in an editor. */
  | { readonly kind: 'completion-frame'; readonly frame: CompletionFrame }
  /** A denoising that the page asked for: a step of it, or its end. */
  | { readonly kind: 'denoise-frame'; readonly alternative: number; readonly frame: CompletionFrame['frame'] }
  | { readonly kind: 'denoised'; readonly result: DenoiseResult; readonly file: string }
  /** What was asked for could not be done; one sentence for the user. */
  | { readonly kind: 'failed'; readonly request: PanelRequest['kind']; readonly reason: string };

/** Commands that the page's buttons and empty views may run; the extension runs no other for it. */
export const panelCommands = ['tuneOnTask', 'runSpgEval', 'selectModel', 'restartRuntime', 'showLog'] as const;
export type PanelCommand = (typeof panelCommands)[number];

/** Page to extension. */
export type PanelRequest =
  /** The page is there and knows nothing; `shown` and `compared` are what it showed before a reload. */
  | { readonly kind: 'ready'; readonly shown: string | null; readonly compared: string | null }
  | { readonly kind: 'show-run'; readonly dir: string | null }
  | { readonly kind: 'compare-run'; readonly dir: string | null }
  | { readonly kind: 'show-samples'; readonly dir: string; readonly step: number; readonly offset: number }
  | { readonly kind: 'denoise-sample'; readonly dir: string; readonly step: number; readonly index: number }
  /** Complete at the cursor of the editor that was active last, and show how. */
  | { readonly kind: 'denoise-here'; readonly seed: number; readonly alternatives: number }
  | { readonly kind: 'cancel-denoise' }
  | { readonly kind: 'insert'; readonly text: string }
  | { readonly kind: 'copy'; readonly text: string }
  /** `run` ends a pause, and goes on with a run that no process works on. */
  | { readonly kind: 'control'; readonly dir: string; readonly want: 'run' | 'pause' | 'stop' }
  | { readonly kind: 'delete-run'; readonly dir: string }
  | { readonly kind: 'command'; readonly command: PanelCommand };

/** Completions of a step that are sent at a time. */
export const samplesPerPage = 20;
