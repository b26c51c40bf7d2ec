import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import { minForTest } from '../../protocol/row-split.ts';
import { bestCheckpoint } from '../../runs/checkpoints.ts';
import { readConfiguration } from '../../runs/directory.ts';
import { isOver } from '../../runs/reader.ts';
import { signalOf } from '../abort-signal.ts';
import { commands } from '../contributions.ts';
import { withErrorsShown } from '../show-error.ts';
import { controlRun } from './control-runs.ts';
import { progressOf } from './describe-run.ts';
import type { Jobs } from './jobs.ts';
import { pickRun } from './pick-run.ts';

/** Key of the stored comparisons, by the folder of the tuned checkpoint. */
const comparisonsKey = 'comparisons';

/** Directories of two evaluations on the same problems. */
interface Comparison {
  readonly tuned: string;
  readonly base: string;
}

/** Default number of held-out problems that both models answer. */
const defaultProblems = 128;

/** `Unmask: Compare with Base`: shows what tuning changed, answer by answer. */
export function registerCompareWithBase(
  context: vscode.ExtensionContext,
  jobs: Jobs,
  log: vscode.LogOutputChannel,
): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.compareWithBase,
      withErrorsShown(log, async (run?: unknown, problems?: unknown) => {
        const dir = await pickRun(jobs, run, 'Compare with Base', isComparable);
        const count = typeof problems === 'number' ? problems : defaultProblems;
        if (dir !== undefined) await compareWithBase(context.globalState, jobs, dir, count);
      }),
    ),
  );
}

export const isComparable = ({ kind, state }: PanelRun): boolean => kind === 'tune' && isOver(state);

/**
 * Evaluates the base and the tuned model of a run on the same held-out problems, unless that was done before, and opens
 * the comparison.
 */
export async function compareWithBase(
  memory: vscode.Memento,
  jobs: Jobs,
  dir: string,
  problems = defaultProblems,
): Promise<void> {
  const { task, model: base, settings, split } = await readConfiguration(dir);
  const tuned = (await bestCheckpoint(dir))?.dir;
  if (task === null || base === null || tuned === undefined)
    throw new UserError(
      'The run has no checkpoint yet, so there is nothing to compare. Let it train for some steps first.',
    );
  if (split && split.counts.test === 0)
    throw new UserError(
      `The run has no test problems on which both models could be compared: its data have ${split.rows.training.length + split.rows.validation.length} different problems, and at least ${minForTest} are needed. Add problems, tune again, then compare.`,
    );
  // Only problems that the run neither trained on nor used to choose its checkpoint.
  const part = split ? ['--split-of', tuned] : ['--held-out'];
  const source = typeof settings.data === 'string' ? ['--data', settings.data, ...part] : [];
  const comparison =
    (await findComparison(memory, jobs, tuned)) ??
    (await compare(jobs, { base, tuned }, ['--task', task, ...source, '--limit', String(problems)]));
  const all = memory.get<Readonly<Record<string, Comparison>>>(comparisonsKey, {});
  await memory.update(comparisonsKey, { ...all, [tuned]: comparison });
  await vscode.commands.executeCommand(commands.openEvaluation, comparison.tuned, comparison.base);
}

/** An earlier comparison, if both of its evaluations still exist. */
async function findComparison(memory: vscode.Memento, jobs: Jobs, tuned: string): Promise<Comparison | null> {
  const comparison = memory.get<Readonly<Record<string, Comparison>>>(comparisonsKey, {})[tuned];
  if (!comparison) return null;
  await jobs.evaluations.look();
  const isFinished = (dir: string) => jobs.evaluations.find(dir)?.state === 'finished';
  return isFinished(comparison.tuned) && isFinished(comparison.base) ? comparison : null;
}

async function compare(
  jobs: Jobs,
  { base, tuned }: Readonly<Record<'base' | 'tuned', string>>,
  problems: readonly string[],
): Promise<Comparison> {
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: 'Unmask: Comparing with the base model',
      cancellable: true,
    },
    async (progress, token) => {
      const signal = signalOf(token);
      // One after the other: in parallel they would take as long, and each would report half the speed.
      const evaluate = async (name: string, model: string) => {
        const dir = await jobs.start(['eval', ...problems, '--model', model], { signal });
        const end = jobs.evaluations.onChange(() => {
          const run = jobs.evaluations.find(dir);
          if (run) progress.report({ message: `${name} ${progressOf(run)}` });
        });
        try {
          const { state, error } = await jobs.waitUntilOver(jobs.evaluations, dir, signal);
          if (state !== 'finished')
            throw new UserError(
              error === undefined
                ? `The evaluation of ${name} was ${state}.`
                : `The evaluation of ${name} failed: ${error}`,
            );
          return dir;
        } catch (failure) {
          if (signal.aborted) await controlRun(jobs, dir, 'stop').catch(() => undefined);
          throw failure;
        } finally {
          end();
        }
      };
      return { base: await evaluate('the base model', base), tuned: await evaluate('the tuned model', tuned) };
    },
  );
}
