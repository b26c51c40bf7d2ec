import path from 'node:path';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { CopyIndex } from '../copies/copy-index.ts';
import { gateLevels, thresholdOf } from '../copies/gate.ts';
import { completesCode } from '../diffusion/infill.ts';
import type { InfillingItem } from '../infilling/infilling.ts';
import { askPeer, isRemote, type Peer, type PeerMode, parsePeer, whatIsSent } from '../infilling/peer.ts';
import {
  compareInWorkspace,
  isRight,
  pointOf,
  quantile,
  type WorkspaceAnswer,
  type WorkspaceMethod,
} from '../infilling/workspace-comparison.ts';
import { findLearned } from '../learning/learned-model.ts';
import { gapsIn } from '../learning/measure-gaps.ts';
import { relativeName } from '../learning/workspace-split.ts';
import { readCheckpoint } from '../model/checkpoint.ts';
import { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import type { Interval } from '../protocol/interval.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import type { GatePoint, WorkspaceDocument } from '../protocol/workspace-comparison.ts';
import { alternativesOnce } from '../runtime/complete-once.ts';
import { answerOf, copiesFor, gapOf, indexOf, workspaceTexts } from '../runtime/workspace-answers.ts';
import { type CommandContext, type CommandResult, type EngineOptions, engineOf } from './command.ts';
import { timedProgress } from './timed-progress.ts';

export interface WorkspaceEvalOptions extends EngineOptions {
  readonly model: string;
  readonly workspace: string;
  readonly items: number;
  readonly seed: number;
  readonly peer?: string;
  readonly peerMode: PeerMode;
  readonly sendCodeTo?: string;
}

/**
 * Measures what the model, copies and both show in ends of lines of a workspace's own files. If a model was learned on the workspace, the
 * files are those that it was not trained on, and it has a row. A server has a row, too.
 */
export async function workspaceEval(
  options: WorkspaceEvalOptions,
  { progress, signal }: CommandContext,
): Promise<CommandResult> {
  const begin = performance.now();
  const resolved = await resolveModel(options.model);
  if (!completesCode(resolved.config))
    throw new UserError(`${options.model} was not trained to fill gaps; choose a model that was.`);
  const peer = options.peer === undefined ? null : parsePeer(options.peer, options.peerMode, options.sendCodeTo);
  const workspace = path.resolve(options.workspace);
  const learned = await findLearned(workspace);
  const texts = await workspaceTexts(options.workspace);
  const read = performance.now();
  const index = indexOf(texts);
  const build = performance.now() - read;
  const heldOut = learned && new Set(learned.record.held_out);
  const measured = texts.filter(({ name }) => heldOut === null || heldOut.has(relativeName(workspace, name)));
  const items = await gapsIn(measured, options.items, options.seed);
  if (items.length < 2)
    throw new UserError(
      `The files of ${options.workspace} have fewer than two gaps; give a folder with more source code.`,
    );
  const answers: Record<'model' | 'copies' | 'both', WorkspaceAnswer[]> = { model: [], copies: [], both: [] };
  const others: WorkspaceMethod[] = [];
  const queries: number[] = [];
  if (peer) {
    if (isRemote(peer)) progress(`Sending ${whatIsSent} to ${peer.url.host}, ${items.length} gaps in all.`);
    const told = timedProgress('peer: gap', items.length, progress);
    others.push({ name: `peer:${peer.url.host}`, answers: await peerAnswers(peer, items, { signal, told }) });
  }
  const engine = await engineOf(options);
  const model = await LanguageModel.load(engine, await readCheckpoint(resolved));
  const told = timedProgress('model and copies: gap', items.length, progress);
  try {
    for (const [done, item] of items.entries()) {
      signal.throwIfAborted();
      told(done);
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
  if (learned) {
    const told = timedProgress('learned model: gap', items.length, progress);
    const loaded = await LanguageModel.load(engine, await readCheckpoint(await resolveModel(learned.folder)));
    others.unshift({ name: 'learned', answers: await learnedAnswers(loaded, index, items, { signal, told }) });
  }
  const own = Object.entries(answers).map(([name, found]): WorkspaceMethod => ({ name, answers: found }));
  const methods = [...own, ...others];
  const comparison = compareInWorkspace(items, methods);
  const { files: count, characters, bytes } = index.size;
  const document: WorkspaceDocument = {
    model: options.model,
    workspace,
    ...(learned ? { learned: { model: learned.name, held_out_files: measured.length } } : {}),
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

interface AnswerHooks {
  readonly signal: AbortSignal;
  /** Called with the number of gaps that are done. */
  readonly told: (done: number) => void;
}

/** The answers of a server. It does not say how sure it is, so its curve has one point. */
async function peerAnswers(peer: Peer, items: readonly InfillingItem[], { signal, told }: AnswerHooks) {
  const answers: WorkspaceAnswer[] = [];
  for (const item of items) {
    told(answers.length);
    const started = performance.now();
    const text = await askPeer(peer, item, signal);
    answers.push({ text, probability: 1, milliseconds: performance.now() - started });
  }
  return answers;
}

/** What a learned model and copies show. The model is disposed of. */
async function learnedAnswers(
  model: LanguageModel,
  index: CopyIndex,
  items: readonly InfillingItem[],
  { signal, told }: AnswerHooks,
) {
  const answers: WorkspaceAnswer[] = [];
  try {
    for (const item of items) {
      signal.throwIfAborted();
      told(answers.length);
      const started = performance.now();
      const copies = await copiesFor(index, item);
      const alternatives = await alternativesOnce(model, gapOf(item));
      answers.push(answerOf(item, copies, alternatives, performance.now() - started));
    }
  } finally {
    await model.dispose();
  }
  return answers;
}

/** The model's first alternative as without copies, even if a rule rejects it; its probability is the gate's. */
function modelAnswer(item: InfillingItem, alternatives: readonly TracedAlternative[], milliseconds: number) {
  const first = alternatives.find(({ discardedBy }) => discardedBy === null);
  if (first) return answerOf(item, [], alternatives, milliseconds);
  return { text: alternatives[0]?.text ?? '', probability: 0, milliseconds };
}

/** What each level of the setting `unmask.completions.eagerness` shows. */
function gatePoints(items: readonly InfillingItem[], answers: readonly WorkspaceAnswer[]): GatePoint[] {
  const right = answers.map(({ text }, index) => isRight(text, items[index]!.middle));
  return gateLevels.map((level) => ({ level, ...pointOf(answers, right, thresholdOf(level)) }));
}

function workspaceTable({ n, rows, differences, gate, index }: WorkspaceDocument): string[] {
  const percent = (share: number | null) => (share === null ? '-' : `${(100 * share).toFixed(0)} %`);
  const width = Math.max(8, ...rows.map(({ name }) => name.length));
  return [
    `The rest of a line: ${n} gaps; 95 % intervals`,
    ...rows.map(
      (row) =>
        `  ${row.name.padEnd(width)} exact match ${interval(row.exact)}  first word ${interval(row.first_word)}  ${row.milliseconds_p50.toFixed(1).padStart(7)} ms  shown with half of it right: ${percent(row.coverage_at_half)}`,
    ),
    'Differences in exact match, on the same gaps',
    ...differences.map(({ of, against, exact }) => `  ${of} minus ${against}: ${interval(exact, true)}`),
    'Precision (coverage) if only suggestions with at least this probability are shown',
    ...rows.map(
      (row) =>
        `  ${row.name.padEnd(width)} ${row.precision_coverage.map(({ threshold, precision, coverage }) => `${threshold}: ${percent(precision)} (${percent(coverage)})`).join('  ')}`,
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
