import * as z from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { bundledGate, gateLevels } from '../copies/gate.ts';
import type { Engine } from '../engine/engine.ts';
import type { InfillingItem } from '../infilling/infilling.ts';
import { isRemote, whatIsSent } from '../infilling/peer.ts';
import {
  compareInWorkspace,
  isRight,
  pointOf,
  quantile,
  type WorkspaceAnswer,
} from '../infilling/workspace-comparison.ts';
import type { SuggestionGate } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { loadForInference } from '../model/load-served.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { contentDigest } from '../platform/content-digest.ts';
import { UserError } from '../platform/errors.ts';
import type { Interval } from '../protocol/interval.ts';
import type { GatePoint, WorkspaceDocument } from '../protocol/workspace-comparison.ts';
import type { ShardPlan } from '../shards/plan.ts';
import { type CommandContext, type CommandResult, engineOf } from './command.ts';
import { computeShard, type ShardChoice } from './shard-options.ts';
import { timedProgress } from './timed-progress.ts';
import {
  type IndexSize,
  learnedAnswer,
  ownAnswers,
  peerAnswer,
  type WorkspaceEvalOptions,
  type WorkspaceGap,
  type WorkspaceGaps,
  workspaceGaps,
  workspaceRowSchema,
} from './workspace-gaps.ts';

/**
 * Measures what the model, copies and both show in ends of lines of a workspace's own files. If a model was learned on the workspace, the
 * files are those that it was not trained on, and it has a row. A server has a row, too.
 */
export async function workspaceEval(
  options: WorkspaceEvalOptions,
  choice: Extract<ShardChoice, { kind: 'shard' }> | null,
  context: CommandContext,
): Promise<CommandResult> {
  const begin = performance.now();
  const gaps = await workspaceGaps(options);
  const { peer, items, indexSize } = gaps;
  if (peer && isRemote(peer))
    context.progress(`Sending ${whatIsSent} to ${peer.url.host}, ${items.length} gaps in all.`);
  const engine = await engineOf(options);
  if (choice !== null) return measureShare(gaps, engine, choice, options, context);
  const measured = await measureAll(gaps, engine, context);
  const seconds = (performance.now() - begin) / 1000;
  return shown(measured, indexSize, { ...identityOf(gaps), model: options.model }, seconds);
}

/** Measures one method after the other, so that only one model is in memory. */
async function measureAll(
  { resolved, items, index, peer, learned }: WorkspaceGaps,
  engine: Engine,
  { progress, signal }: CommandContext,
): Promise<WorkspaceGap[]> {
  const peerAnswers: WorkspaceAnswer[] = [];
  if (peer) {
    const report = timedProgress('peer: gap', items.length, progress);
    for (const [done, item] of items.entries()) {
      report(done);
      peerAnswers.push(await peerAnswer(peer, item, signal));
    }
  }
  const withModel = async <T>(
    folder: ResolvedModel,
    what: string,
    answer: (model: LanguageModel, item: InfillingItem) => Promise<T>,
  ) => {
    const model = await loadForInference(engine, folder);
    const report = timedProgress(`${what}: gap`, items.length, progress);
    const answers: T[] = [];
    try {
      for (const [done, item] of items.entries()) {
        signal.throwIfAborted();
        report(done);
        answers.push(await answer(model, item));
      }
    } finally {
      await model.dispose();
    }
    return answers;
  };
  const own = await withModel(resolved, 'model and copies', (model, item) => ownAnswers(model, index, item));
  const ofLearned =
    learned &&
    (await withModel(await resolveModel(learned.folder), 'learned model', (model, item) =>
      learnedAnswer(model, index, item),
    ));
  return items.map(({ middle }, gap) => ({
    middle,
    query: own[gap]!.query,
    answers: {
      ...own[gap]!.answers,
      ...(ofLearned ? { learned: ofLearned[gap]! } : {}),
      ...(peer ? { [`peer:${peer.url.host}`]: peerAnswers[gap]! } : {}),
    },
  }));
}

/** Measures some of the gaps. The first of all rows is the index. */
async function measureShare(
  gaps: WorkspaceGaps,
  engine: Engine,
  choice: Extract<ShardChoice, { kind: 'shard' }>,
  options: WorkspaceEvalOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { resolved, items, index, indexSize, peer, learned } = gaps;
  const { signal } = context;
  const ofLearned = learned && (await resolveModel(learned.folder));
  let models: { readonly own: LanguageModel; readonly learned: LanguageModel | null } | undefined;
  const load = async () => ({
    own: await loadForInference(engine, resolved),
    learned: ofLearned && (await loadForInference(engine, ofLearned)),
  });
  try {
    return await computeShard(
      choice,
      {
        command: 'infill-eval',
        inputs: {
          measure: 'workspace',
          weights_digest: await resolved.digest(),
          learned_digest: ofLearned && (await ofLearned.digest()),
          gaps_digest: contentDigest(JSON.stringify(items.map(({ file: _, ...item }) => item))),
          peer: peer && [peer.url.href, peer.mode],
        },
        about: { ...identityOf(gaps), model: options.model },
        rows: ['index', ...items.map((_, gap) => `gap ${gap + 1}`)],
        rowsPerPart: 1,
        schema: workspaceRowSchema,
        engine,
        compute: async (first) => {
          const item = items[first - 1];
          if (item === undefined) return [{ index: indexSize }];
          signal.throwIfAborted();
          models ??= await load();
          const { query, answers } = await ownAnswers(models.own, index, item);
          const others = {
            ...(models.learned ? { learned: await learnedAnswer(models.learned, index, item) } : {}),
            ...(peer ? { [`peer:${peer.url.host}`]: await peerAnswer(peer, item, signal) } : {}),
          };
          return [{ middle: item.middle, query, answers: { ...answers, ...others } }];
        },
      },
      options,
      context,
    );
  } finally {
    await models?.own.dispose();
    await models?.learned?.dispose();
  }
}

/** The result of gathered rows. Its seconds are those of the answers. */
export function gatheredWorkspace(
  { about }: ShardPlan,
  rows: readonly z.infer<typeof workspaceRowSchema>[],
): CommandResult {
  const gaps = rows.flatMap((row) => ('index' in row ? [] : [row]));
  const index = rows.flatMap((row) => ('index' in row ? [row.index] : []))[0];
  const identity = identitySchema.safeParse(about);
  if (index === undefined || !identity.success)
    throw new UserError('The rows of the shards are not those of a workspace; run the shards again in a new folder.');
  const milliseconds = gaps
    .flatMap(({ answers }) => Object.values(answers))
    .reduce((sum, one) => sum + one.milliseconds, 0);
  return shown(gaps, index, identity.data, milliseconds / 1000);
}

const identitySchema = z.object({
  model: z.string(),
  workspace: z.string(),
  learned: z.exactOptional(z.object({ model: z.string(), held_out_files: z.int() })),
  /** The probabilities from which the model's gate shows suggestions; absent in folders of earlier versions. */
  thresholds: z.exactOptional(z.object({ eager: z.number(), balanced: z.number(), careful: z.number() })),
});

/** What the document says about the workspace. */
const identityOf = ({ workspace, learned, resolved }: WorkspaceGaps) => ({
  workspace,
  ...(resolved.generation.suggestion_gate ? { thresholds: resolved.generation.suggestion_gate.thresholds } : {}),
  ...(learned ? { learned: { model: learned.name, held_out_files: learned.heldOutFiles } } : {}),
});

function shown(
  gaps: readonly WorkspaceGap[],
  { files, characters, bytes, seconds: build }: IndexSize,
  { model, workspace, learned, thresholds = bundledGate.thresholds }: z.infer<typeof identitySchema>,
  seconds: number,
): CommandResult {
  const names = Object.keys(gaps[0]!.answers);
  const methods = names.map((name) => ({ name, answers: gaps.map(({ answers }) => answers[name]!) }));
  const document: WorkspaceDocument = {
    ...{ model, workspace },
    ...(learned ? { learned } : {}),
    ...compareInWorkspace(gaps, methods),
    gate: gatePoints(
      gaps,
      gaps.map(({ answers }) => answers.both!),
      thresholds,
    ),
    index: {
      files,
      characters,
      bytes_per_character: bytes / characters,
      seconds_per_megabyte: build / (characters / 1e6),
      query_milliseconds_p90: quantile(
        gaps.map(({ query }) => query),
        0.9,
      ),
    },
    seconds,
  };
  return { document, lines: workspaceTable(document) };
}

/** What each level of the setting `unmask.completions.eagerness` shows. */
function gatePoints(
  items: readonly Pick<InfillingItem, 'middle'>[],
  answers: readonly WorkspaceAnswer[],
  thresholds: SuggestionGate['thresholds'],
): GatePoint[] {
  const right = answers.map(({ text }, index) => isRight(text, items[index]!.middle));
  return gateLevels.map((level) => ({ level, ...pointOf(answers, right, thresholds[level]) }));
}

function workspaceTable({ n, rows, differences, gate, index }: WorkspaceDocument): string[] {
  const percent = (share: number | null) => (share === null ? '-' : `${(100 * share).toFixed(0)} %`);
  const width = Math.max(8, ...rows.map(({ name }) => name.length));
  return [
    `The rest of a line: ${n} gaps; 95 % intervals`,
    ...rows.map(
      (row) =>
        `  ${row.name.padEnd(width)} exact match ${interval(row.exact)}  first word ${interval(row.first_word)}  ${row.milliseconds_p50.toFixed(1).padStart(7)} ms  coverage at a precision of 50 %: ${percent(row.coverage_at_half)}`,
    ),
    'Differences in exact match, on the same gaps',
    ...differences.map(({ of, against, exact }) => `  ${of} minus ${against}: ${interval(exact, true)}`),
    'Precision (coverage) if only suggestions with at least this probability are shown',
    ...rows.map(
      (row) =>
        `  ${row.name.padEnd(width)} ${row.precision_coverage.map(({ threshold, precision, coverage }) => `${threshold}: ${percent(precision)} (${percent(coverage)})`).join('  ')}`,
    ),
    'What each value of the setting unmask.completions.eagerness shows',
    ...gate.map(
      ({ level, precision, coverage }) =>
        `  ${level.padEnd(8)} a suggestion in ${percent(coverage)} of the gaps; ${percent(precision)} of them are right`,
    ),
    `The index of copies has ${index.files} files of ${(index.characters / 1e6).toFixed(1)} MB: ${index.seconds_per_megabyte.toFixed(2)} s per MB to build, ${index.bytes_per_character.toFixed(1)} bytes per character, 90 % of queries within ${index.query_milliseconds_p90.toFixed(1)} ms`,
  ];
}

function interval({ value, low, high }: Interval, signed = false): string {
  const number = (one: number) => `${signed && one > 0 ? '+' : ''}${one.toFixed(3)}`;
  return `${number(value)} [${number(low)}, ${number(high)}]`;
}
