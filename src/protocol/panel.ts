import type { RunEvent } from './events.ts';
import type { Denoising, ReportSample } from './report.ts';
import type { RunConfiguration, RunSummary } from './run.ts';
import type { CompletionFrame, CompletionTrace, DenoiseResult } from './runtime.ts';

/**
 * Messages between the panel's page and the extension. The page keeps no data: after a reload it requests everything
 * again, and the extension reads it from the run directories.
 */

/** A problem in a run, and its cause. */
export interface RunWarning {
  readonly kind: 'not-finite' | 'collapse' | 'no-variance' | 'spike' | 'outlier' | 'failed';
  /** What happened, the likely cause and what to do. */
  readonly text: string;
  /** The first step with this problem. */
  readonly step: number;
}

/** A run in the panel's list. */
export interface PanelRun extends RunSummary {
  /** Size of its folder. */
  readonly bytes: number;
}

/** Everything that the page shows of a run. */
export interface PanelRunContents {
  readonly run: PanelRun;
  readonly configuration: RunConfiguration;
  readonly events: readonly RunEvent[];
  readonly warnings: readonly RunWarning[];
  /** Steps that have samples, ascending. */
  readonly sampleSteps: readonly number[];
}

/** Extension to page. */
export type PanelUpdate =
  /** Whether completions are available; sent when the page is ready and after every change. */
  | { readonly kind: 'runtime'; readonly ready: boolean; readonly model: string | null; readonly summary: string }
  /** All runs, newest first; sent when the page is ready and when one changes. */
  | { readonly kind: 'runs'; readonly runs: readonly PanelRun[] }
  /** The shown run; null: none. Sent when it is selected and when its log was rewound. */
  | { readonly kind: 'run'; readonly role: 'shown'; readonly contents: PanelRunContents | null }
  /** A compared run; null: it is not compared any more. */
  | {
      readonly kind: 'run';
      readonly role: 'compared';
      readonly dir: string;
      readonly contents: PanelRunContents | null;
    }
  /** Additions to the shown run or to a compared run. */
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
      /** Index of the first of `records` among the `total` samples of the step. */
      readonly offset: number;
      readonly total: number;
      readonly records: readonly ReportSample[];
    }
  /** The denoising of a sample of a run. */
  | { readonly kind: 'sample-denoising'; readonly step: number; readonly index: number; readonly denoising: Denoising }
  /** A step of the current completion in an editor. */
  | { readonly kind: 'completion-frame'; readonly frame: CompletionFrame }
  /** A step, and the result, of a denoising that the page requested. */
  | { readonly kind: 'denoise-frame'; readonly alternative: number; readonly frame: CompletionFrame['frame'] }
  | { readonly kind: 'denoised'; readonly result: DenoiseResult; readonly file: string }
  /** The decision path of the last completion in an editor. */
  | { readonly kind: 'suggestion'; readonly trace: CompletionTrace }
  /** The user asked for the shown run, so the page scrolls to it. */
  | { readonly kind: 'reveal-run' }
  /** The page is about to be opened in another place: it answers with `view`. */
  | { readonly kind: 'hand-over' }
  /** A request failed; the reason is one sentence for the user. */
  | { readonly kind: 'failed'; readonly request: PanelRequest['kind']; readonly reason: string };

/** The only commands that the page can run. */
export const panelCommands = [
  'tuneOnTask',
  'runSpgEval',
  'selectModel',
  'restartRuntime',
  'showLog',
  'explainLastCompletion',
] as const;
export type PanelCommand = (typeof panelCommands)[number];

/** Page to extension. */
export type PanelRequest =
  /** The page is ready and has no data; `shown` and `compared` are the runs that it showed before a reload. */
  | { readonly kind: 'ready'; readonly shown: string | null; readonly compared: readonly string[] }
  | { readonly kind: 'show-run'; readonly dir: string | null }
  /** Add a run to the compared ones, or remove it. */
  | { readonly kind: 'compare-run'; readonly dir: string; readonly compare: boolean }
  | { readonly kind: 'show-samples'; readonly dir: string; readonly step: number; readonly offset: number }
  | { readonly kind: 'denoise-sample'; readonly dir: string; readonly step: number; readonly index: number }
  /** Complete at the cursor of the last active editor, and send the denoising. */
  | { readonly kind: 'denoise-here'; readonly seed: number; readonly alternatives: number }
  | { readonly kind: 'cancel-denoise' }
  | { readonly kind: 'insert'; readonly text: string }
  | { readonly kind: 'copy'; readonly text: string }
  /** `run` ends a pause, and resumes a run that no process works on. */
  | { readonly kind: 'control'; readonly dir: string; readonly want: 'run' | 'pause' | 'stop' }
  | { readonly kind: 'delete-run'; readonly dir: string }
  /** The answer to `hand-over`: what the page shows, as JSON that another page of the panel reads. */
  | { readonly kind: 'view'; readonly view: string }
  | { readonly kind: 'command'; readonly command: PanelCommand };

/** Maximum number of runs that are compared with the shown one. */
export const mostComparedRuns = 5;

/** Samples per page. */
export const samplesPerPage = 20;
