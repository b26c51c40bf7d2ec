/** What a model, copies, both, a learned model and a server show in the gaps of a workspace, one gap at a time. */
import path from 'node:path';
import * as z from 'zod';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { CopyIndex } from '../copies/copy-index.ts';
import { completesCode } from '../diffusion/infill.ts';
import type { InfillingItem } from '../infilling/infilling.ts';
import { askPeer, type Peer, type PeerMode, parsePeer } from '../infilling/peer.ts';
import type { WorkspaceAnswer } from '../infilling/workspace-comparison.ts';
import { findLearned } from '../learning/learned-model.ts';
import { gapsIn } from '../learning/measure-gaps.ts';
import { relativeName } from '../learning/workspace-split.ts';
import type { SuggestionGate } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { UserError } from '../platform/errors.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import { alternativesOnce } from '../runtime/complete-once.ts';
import { answerOf, copiesFor, gapOf, indexOf, workspaceTexts } from '../runtime/workspace-answers.ts';
import { anyNumber } from '../shards/exact-json.ts';
import type { EngineOptions } from './command.ts';

export interface WorkspaceEvalOptions extends EngineOptions {
  readonly model: string;
  readonly workspace: string;
  readonly items: number;
  readonly seed: number;
  readonly peer?: string;
  readonly peerMode: PeerMode;
  readonly sendCodeTo?: string;
}

/** The gaps of a workspace, and what fills them in addition to the model. */
export interface WorkspaceGaps {
  readonly resolved: ResolvedModel;
  /** Absolute path. */
  readonly workspace: string;
  readonly items: readonly InfillingItem[];
  readonly index: CopyIndex;
  readonly indexSize: IndexSize;
  readonly peer: Peer | null;
  readonly learned: LearnedModel | null;
}

const indexSizeSchema = z.object({
  files: z.int(),
  characters: z.int(),
  bytes: z.number(),
  /** Seconds that building it took. */
  seconds: z.number(),
});
/** The index of copies, and what it cost. */
export type IndexSize = z.infer<typeof indexSizeSchema>;

/** The model that was learned on the workspace, and the number of files that it was not trained on. */
export interface LearnedModel {
  readonly name: string;
  readonly folder: string;
  readonly heldOutFiles: number;
}

const answerSchema = z.object({
  text: z.string(),
  probability: anyNumber,
  milliseconds: z.number(),
}) satisfies z.ZodType<WorkspaceAnswer>;

/** The answers in a gap, by method. */
export const workspaceGapSchema = z.object({
  middle: z.string(),
  answers: z.record(z.string(), answerSchema),
  /** Milliseconds of the query for copies. */
  query: z.number(),
});
export type WorkspaceGap = z.infer<typeof workspaceGapSchema>;

/** A row of shards: a gap, or the index. */
export const workspaceRowSchema = z.union([workspaceGapSchema, z.object({ index: indexSizeSchema })]);

/** Reads a workspace, and draws gaps in the files that a learned model was not trained on. */
export async function workspaceGaps(options: WorkspaceEvalOptions): Promise<WorkspaceGaps> {
  const resolved = await resolveModel(options.model);
  if (!completesCode(resolved.config))
    throw new UserError(`${options.model} was not trained to fill gaps; choose a model that was.`);
  const peer = options.peer === undefined ? null : parsePeer(options.peer, options.peerMode, options.sendCodeTo);
  const workspace = path.resolve(options.workspace);
  const learned = await findLearned(workspace);
  const texts = await workspaceTexts(options.workspace);
  const begin = performance.now();
  const index = indexOf(texts);
  const seconds = (performance.now() - begin) / 1000;
  const heldOut = learned && new Set(learned.record.held_out);
  const measured = texts.filter(({ name }) => heldOut === null || heldOut.has(relativeName(workspace, name)));
  const items = await gapsIn(measured, options.items, options.seed);
  if (items.length < 2)
    throw new UserError(
      `The files of ${options.workspace} have fewer than two gaps; give a folder with more source code.`,
    );
  return {
    ...{ resolved, workspace, items, index, peer },
    indexSize: { ...index.size, seconds },
    learned: learned && { name: learned.name, folder: learned.folder, heldOutFiles: measured.length },
  };
}

/** The answers of the model, of copies, and of both, and the milliseconds of the query for copies. */
export async function ownAnswers(model: LanguageModel, index: CopyIndex, item: InfillingItem) {
  const started = performance.now();
  const copies = await copiesFor(index, item);
  const query = performance.now() - started;
  const alternatives = await alternativesOnce(model, gapOf(item));
  const generated = performance.now() - started - query;
  const { suggestion_gate: gate } = model.generation;
  return {
    query,
    answers: {
      model: modelAnswer(item, alternatives, generated, gate),
      copies: answerOf(item, copies, null, query, gate),
      both: answerOf(item, copies, alternatives, query + generated, gate),
    },
  };
}

/** What a learned model and copies show. */
export async function learnedAnswer(model: LanguageModel, index: CopyIndex, item: InfillingItem) {
  const started = performance.now();
  const copies = await copiesFor(index, item);
  const alternatives = await alternativesOnce(model, gapOf(item));
  return answerOf(item, copies, alternatives, performance.now() - started, model.generation.suggestion_gate);
}

/** The answer of a server. It does not say how sure it is, so its curve has one point. */
export async function peerAnswer(peer: Peer, item: InfillingItem, signal: AbortSignal): Promise<WorkspaceAnswer> {
  const started = performance.now();
  const text = await askPeer(peer, item, signal);
  return { text, probability: 1, milliseconds: performance.now() - started };
}

/** The model's first alternative as without copies, even if a rule rejects it; its probability is the gate's. */
function modelAnswer(
  item: InfillingItem,
  alternatives: readonly TracedAlternative[],
  milliseconds: number,
  gate: SuggestionGate | undefined,
) {
  const first = alternatives.find(({ discardedBy }) => discardedBy === null);
  if (first) return answerOf(item, [], alternatives, milliseconds, gate);
  return { text: alternatives[0]?.text ?? '', probability: 0, milliseconds };
}
