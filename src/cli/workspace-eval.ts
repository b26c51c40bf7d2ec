import path from 'node:path';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { type GateLevel, gateLevels, thresholdOf } from '../copies/gate.ts';
import { completesCode } from '../diffusion/infill.ts';
import type { InfillingItem } from '../infilling/infilling.ts';
import {
  compareInWorkspace,
  isRight,
  pointOf,
  quantile,
  type WorkspaceAnswer,
  type WorkspaceComparison,
  type WorkspaceMethod,
} from '../infilling/workspace-comparison.ts';
import { readCheckpoint } from '../model/checkpoint.ts';
import { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import type { Interval } from '../protocol/interval.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import { alternativesOnce } from '../runtime/complete-once.ts';
import { answerOf, copiesFor, gapOf, indexOf, workspaceTexts } from '../runtime/workspace-answers.ts';
import { languageOf } from '../syntax/trees.ts';
import { infillingItems } from '../training/code/infilling-items.ts';
import { type CommandContext, type CommandResult, type EngineOptions, engineOf } from './command.ts';

export interface WorkspaceEvalOptions extends EngineOptions {
  readonly model: string;
  readonly workspace: string;
  readonly items: number;
  readonly seed: number;
}

/** Characters of the longest file in which gaps are made. */
const longest = 100_000;

/** Measures what the model, copies and both show in ends of lines of a workspace's own files. */
export async function workspaceEval(
  options: WorkspaceEvalOptions,
  { progress, signal }: CommandContext,
): Promise<CommandResult> {
  const begin = performance.now();
  const resolved = await resolveModel(options.model);
  if (!completesCode(resolved.config))
    throw new UserError(`${options.model} was not trained to fill gaps; choose a model that was.`);
  const texts = await workspaceTexts(options.workspace);
  const read = performance.now();
  const index = indexOf(texts);
  const build = performance.now() - read;
  const files = texts
    .filter(({ name, text }) => languageOf(name) !== null && text.length <= longest)
    .map(({ name, text }) => ({ package: options.workspace, path: name, text }));
  const items = await infillingItems(files, ['line'], options.items, options.seed);
  if (items.length < 2)
    throw new UserError(
      `The files of ${options.workspace} have fewer than two gaps; give a folder with more source code.`,
    );
  const answers: Record<'model' | 'copies' | 'both', WorkspaceAnswer[]> = { model: [], copies: [], both: [] };
  const queries: number[] = [];
  const model = await LanguageModel.load(await engineOf(options), await readCheckpoint(resolved));
  try {
    for (const [done, item] of items.entries()) {
      signal.throwIfAborted();
      if (done % 20 === 0) progress(`gap ${done} of ${items.length}`);
      const started = performance.now();
      const copies = await copiesFor(index, item);
      const found = performance.now();
      const alternatives = await alternativesOnce(model, gapOf(item));
      const generated = performance.now() - found;
      queries.push(found - started);
      answers.model.push(modelAnswer(item, alternatives, generated));
      answers.copies.push(answerOf(item, copies, null, found - started));
      answers.both.push(answerOf(item, copies, alternatives, found - started + generated));
    }
  } finally {
    await model.dispose();
  }
  const methods = Object.entries(answers).map(([name, found]): WorkspaceMethod => ({ name, answers: found }));
  const comparison = compareInWorkspace(items, methods);
  const { files: count, characters, bytes } = index.size;
  const document = {
    model: options.model,
    workspace: path.resolve(options.workspace),
    ...comparison,
    gate: gatePoints(items, answers.both),
    index: {
      files: count,
      characters,
      bytes_per_character: bytes / characters,
      seconds_per_megabyte: build / 1000 / (characters / 1e6),
      query_milliseconds_p90: quantile(queries, 0.9),
    },
    seconds: (performance.now() - begin) / 1000,
  };
  return { document, lines: workspaceTable(document) };
}

/** The model's first alternative as without copies, even if a rule rejects it; its probability is the gate's. */
function modelAnswer(item: InfillingItem, alternatives: readonly TracedAlternative[], milliseconds: number) {
  const first = alternatives.find(({ discardedBy }) => discardedBy === null);
  if (first) return answerOf(item, [], alternatives, milliseconds);
  return { text: alternatives[0]?.text ?? '', probability: 0, milliseconds };
}

interface GatePoint {
  readonly level: GateLevel;
  readonly threshold: number;
  readonly precision: number | null;
  readonly coverage: number;
}

/** What each level of the setting `unmask.completions.eagerness` shows. */
function gatePoints(items: readonly InfillingItem[], answers: readonly WorkspaceAnswer[]): GatePoint[] {
  const right = answers.map(({ text }, index) => isRight(text, items[index]!.middle));
  return gateLevels.map((level) => ({ level, ...pointOf(answers, right, thresholdOf(level)) }));
}

interface WorkspaceDocument extends WorkspaceComparison {
  readonly gate: readonly GatePoint[];
  readonly index: {
    readonly files: number;
    readonly characters: number;
    readonly bytes_per_character: number;
    readonly seconds_per_megabyte: number;
    readonly query_milliseconds_p90: number;
  };
}

function workspaceTable({ n, rows, differences, gate, index }: WorkspaceDocument): string[] {
  const percent = (share: number | null) => (share === null ? '-' : `${(100 * share).toFixed(0)} %`);
  return [
    `The rest of a line: ${n} gaps; 95 % intervals`,
    ...rows.map(
      (row) =>
        `  ${row.name.padEnd(8)} exact match ${interval(row.exact)}  first word ${interval(row.first_word)}  ${row.milliseconds_p50.toFixed(1).padStart(7)} ms  shown with half of it right: ${percent(row.coverage_at_half)}`,
    ),
    'Differences in exact match, on the same gaps',
    ...differences.map(({ of, against, exact }) => `  ${of} minus ${against}: ${interval(exact, true)}`),
    'Precision (coverage) if only suggestions with at least this probability are shown',
    ...rows.map(
      (row) =>
        `  ${row.name.padEnd(8)} ${row.precision_coverage.map(({ threshold, precision, coverage }) => `${threshold}: ${percent(precision)} (${percent(coverage)})`).join('  ')}`,
    ),
    'The setting unmask.completions.eagerness',
    ...gate.map(
      ({ level, precision, coverage }) =>
        `  ${level.padEnd(8)} shows something in ${percent(coverage)} of the gaps, and ${percent(precision)} of it is right`,
    ),
    `The index of copies has ${index.files} files of ${(index.characters / 1e6).toFixed(1)} MB: ${index.seconds_per_megabyte.toFixed(2)} s per MB to build, ${index.bytes_per_character.toFixed(1)} bytes per character, 90 % of queries within ${index.query_milliseconds_p90.toFixed(1)} ms`,
  ];
}

function interval({ value, low, high }: Interval, signed = false): string {
  const number = (one: number) => `${signed && one > 0 ? '+' : ''}${one.toFixed(3)}`;
  return `${number(value)} [${number(low)}, ${number(high)}]`;
}
