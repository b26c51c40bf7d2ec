import path from 'node:path';
import { bundledPuzzleModel } from '../src/catalogue/find-model.ts';
import { resolveModel } from '../src/catalogue/resolve-model.ts';
import type { HostTensor } from '../src/graph/tensor.ts';
import { writeCheckpoint } from '../src/model/checkpoint.ts';
import { writeSafetensors } from '../src/model/safetensors.ts';
import { writeJson } from '../src/platform/files.ts';
import { matmulWork } from './matmul-work.ts';
import { puzzleWork } from './puzzle-work.ts';
import { reference, referenceBatch, referenceModel, referenceOptimizer } from './reference-model.ts';

/** The prepared inputs, and the reason if the peer cannot run some of the workloads. */
export interface WorkFolder {
  readonly folder: string;
  /** Folder of the puzzle model. */
  readonly puzzleModel: string;
  /** Why the peer cannot run rollouts and SPG steps; null: it can. */
  readonly noPuzzlePeer: string | null;
  /** Number of completion tokens of one set of rollouts. */
  readonly rolloutTokens: number;
}

/** Writes the peer's inputs: the models, batches, prompts and settings that Unmask's own worker uses too. */
export async function prepareWorkFolder(folder: string): Promise<WorkFolder> {
  await writeCheckpoint(path.join(folder, 'reference'), referenceModel());
  const { tokens, targets } = referenceBatch();
  await writeSafetensors(path.join(folder, 'train.safetensors'), new Map(Object.entries({ tokens, targets })));

  const resolved = await resolveModel(bundledPuzzleModel);
  const puzzleModel = resolved.folder;
  const { checkpoint, jobs, decoding, objective, optimizer, batches } = await puzzleWork(resolved);
  const prompts = jobs.map(({ prompt }) => checkpoint.tokenizer.encode(prompt));
  const updates = batches();
  const noPuzzlePeer = puzzlePeerProblem();
  if (noPuzzlePeer === null) {
    const flat: HostTensor = { shape: [prompts.length, prompts[0]!.length], data: Int32Array.from(prompts.flat()) };
    await writeSafetensors(path.join(folder, 'prompts.safetensors'), new Map([['prompts', flat]]));
    for (const [index, { extra, loss: _, doubled: __, ...leading }] of updates.entries())
      await writeSafetensors(
        path.join(folder, `spg-${index}.safetensors`),
        new Map(Object.entries({ ...leading, ...extra })),
      );
  }
  await writeJson(path.join(folder, 'settings.json'), {
    reference,
    optimizer: constantRate(referenceOptimizer),
    matmul: matmulWork,
    puzzleModel,
    decoding,
    spgOptimizer: constantRate(optimizer),
  });
  return { folder, puzzleModel, noPuzzlePeer, rolloutTokens: jobs.length * decoding.length };

  function puzzlePeerProblem(): string | null {
    if (new Set(prompts.map(({ length }) => length)).size > 1) return 'prompts of different lengths';
    if (decoding.order !== 'confidence') return `decoding in order of ${decoding.order}`;
    if (!objective.name.startsWith('spg-')) return `the objective ${objective.name}`;
    return null;
  }
}

const constantRate = ({ schedule, ...settings }: typeof referenceOptimizer) => ({
  ...settings,
  learningRate: schedule.learningRate,
});
