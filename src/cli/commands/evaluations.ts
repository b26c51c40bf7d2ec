import path from 'node:path';
import { evaluationReport, previousOf } from '../../evaluation/comparison.ts';
import { findEvaluation, listEvaluations } from '../../evaluation/evaluations.ts';
import { exportAnswers, exportFormats } from '../../evaluation/export.ts';
import { count } from '../../platform/amounts.ts';
import { UsageError } from '../../platform/errors.ts';
import { writeAtomic } from '../../platform/files.ts';
import type { EvaluationReport, EvaluationSummary } from '../../protocol/evaluation.ts';
import { deleteRun } from '../../runs/directory.ts';
import { type ActionsOfOptions, type AddCommand, type CommandResult, refuseOtherActions } from '../command.ts';
import { evaluationsFolder } from './eval.ts';

interface EvaluationsOptions {
  readonly action: string;
  readonly evaluation?: string;
  readonly against?: string;
  readonly format: string;
  readonly output?: string;
  readonly runs?: string;
  readonly json?: boolean;
}

const actions = {
  list: async (root: string) => listed(root),
  show: async (root: string, options: EvaluationsOptions) => report(root, options, null),
  compare: async (root: string, options: EvaluationsOptions) => report(root, options, options.against ?? 'previous'),
  export: exported,
  delete: async (root: string, options: EvaluationsOptions) => {
    await deleteRun((await findEvaluation(root, named(options))).dir);
    return listed(root);
  },
} as const;

const actionsOf: ActionsOfOptions = { '--against': ['compare'], '--format': ['export'], '--output': ['export'] };

export function addEvaluations(add: AddCommand): void {
  add<EvaluationsOptions>(
    'evaluations',
    'List evaluations, or show, compare, export or delete one',
    async (options, context) => {
      const action = Object.hasOwn(actions, options.action)
        ? actions[options.action as keyof typeof actions]
        : undefined;
      if (!action)
        throw new UsageError(`Unknown action ${options.action}; the actions are ${Object.keys(actions).join(', ')}.`);
      const chosen = { command: 'evaluations', action: options.action, argument: options.evaluation };
      refuseOtherActions(chosen, actionsOf, context);
      return action(evaluationsFolder(options.runs), options);
    },
  )
    .argument('<action>', Object.keys(actions).join(', '))
    .argument('[evaluation]', 'name or folder of an evaluation')
    .option(
      '--against <evaluation>',
      'with compare: evaluation to compare with (default: the previous one of the same task and problems)',
    )
    .option('--format <format>', `format of the export: ${exportFormats.join(' or ')}`, 'jsonl')
    .option('--output <file>', 'file for the export (default: standard output)')
    .option('--runs <folder>', 'folder of evaluations (default: in the data home)');
}

function named({ action, evaluation }: EvaluationsOptions): string {
  if (evaluation === undefined)
    throw new UsageError(
      `unmask evaluations ${action} needs the name of an evaluation; \`unmask evaluations list\` shows them.`,
    );
  return evaluation;
}

async function listed(root: string): Promise<CommandResult> {
  const evaluations = await listEvaluations(root);
  return {
    document: { evaluations },
    lines:
      evaluations.length === 0 ? [`No evaluations in ${root}; \`unmask eval\` starts one.`] : evaluations.map(line),
  };
}

function line({ run, model, state, step, steps, result }: EvaluationSummary): string {
  const [first] = Object.entries(result?.metrics ?? {});
  const outcome = first ? `${first[0]} ${first[1].value.toFixed(3)}` : `${state} ${step}/${steps}`;
  return `${run.padEnd(48)} ${outcome.padEnd(24)} ${path.basename(model ?? '')}`;
}

/** The report of an evaluation. `against`: the evaluation to compare it with, or 'previous'; null: no comparison. */
async function report(root: string, options: EvaluationsOptions, against: string | null): Promise<CommandResult> {
  const evaluation = await findEvaluation(root, named(options));
  const all = await listEvaluations(path.dirname(evaluation.dir));
  const document = await evaluationReport(evaluation, await other(root, evaluation, against, all), all);
  return { document, lines: reportLines(document) };
}

async function other(
  root: string,
  evaluation: EvaluationSummary,
  against: string | null,
  all: readonly EvaluationSummary[],
): Promise<EvaluationSummary | null> {
  if (against === null) return null;
  return against === 'previous' ? previousOf(evaluation, all) : findEvaluation(root, against);
}

function reportLines({ differences, verdicts, rows }: EvaluationReport): string[] {
  const changed = rows.filter(({ change }) => change === 'better' || change === 'worse');
  const width = Math.max(0, ...differences.map(({ name }) => name.length));
  return [
    ...verdicts,
    ...differences.map(
      ({ name, better, worse, equal }) =>
        `${name.padEnd(width)}  better on ${better}, worse on ${worse}, the same on ${count(equal, 'problem')}`,
    ),
    ...changed.map(
      ({ number, change, label, shown, compared }) =>
        `${String(number).padStart(5)} ${change?.padEnd(6)} ${JSON.stringify(compared?.extracted)} -> ${JSON.stringify(shown.extracted)}  ${label}`,
    ),
  ];
}

async function exported(root: string, options: EvaluationsOptions): Promise<CommandResult> {
  const format = exportFormats.find((known) => known === options.format);
  if (!format)
    throw new UsageError(`Unknown format ${options.format}; the formats are ${exportFormats.join(' and ')}.`);
  const evaluation = await findEvaluation(root, named(options));
  if (options.output === undefined && options.json)
    throw new UsageError(
      'With --json, standard output holds the result document; give a file for the export with --output.',
    );
  const { text, rows } = await exportAnswers(evaluation, format);
  if (options.output === undefined) return { document: null, lines: [], content: text };
  const file = path.resolve(options.output);
  await writeAtomic(file, text);
  return { document: { file, format, rows }, lines: [`${count(rows, 'answer')} in ${file}`] };
}
