import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { adapted } from '../model/tiny-adapter.ts';
import { tinyCheckpoint, tinyGeneration, writeTinyCheckpoint } from '../model/tiny-model.ts';

/** A run of a subcommand: its arguments, and what else must be masked in its output. */
export interface Invocation {
  readonly args: readonly string[];
  readonly mask?: readonly (readonly [RegExp, string])[];
  /** Whether no number depends on rounding or on the machine, so that none is masked. */
  readonly exact?: boolean;
}

export interface Transcript {
  readonly success: Invocation;
  readonly failure: Invocation;
}

const cpu = ['--engine', 'onnx', '--device', 'cpu'];
const set = (...pairs: readonly string[]) => pairs.flatMap((pair) => ['--set', pair]);
const tiny = ['--model', 'tiny', ...cpu];
const sudoku = ['--task', 'sudoku4x4'];
const rollouts = set('prompts_per_step=1', 'group_size=2', 'inner_updates=1', 'evaluation_problems=1');
const machine = [/^.*, \d+ cores, .*$/m, 'MACHINE'] as const;
const memory = [/needs (about )?[\d.]+ [KMG]iB(.*?), (and this machine )?has [\d.]+ GiB/g, 'MEMORY'] as const;

/** In the order in which they run: some need what others before them have made. */
export const transcripts: Readonly<Record<string, Transcript>> = {
  devices: {
    success: {
      args: ['devices'],
      mask: [
        [/^[> ] (\S+ +\S+) .*$/gm, '$1 ...'],
        [/^Sandbox: .*$/m, 'Sandbox: ...'],
      ],
    },
    failure: { args: ['devices', 'gpu'] },
  },
  diagnostics: {
    success: { args: ['diagnostics'], mask: [[/^\{\n[\s\S]*\n\}$/m, '{ ... }']] },
    failure: { args: ['diagnostics', '--nosuch'] },
  },
  objectives: {
    success: { args: ['objectives'], exact: true },
    failure: { args: ['objectives', '--objective', 'spg-elbo'] },
  },
  tasks: { success: { args: ['tasks'] }, failure: { args: ['tasks', '--nosuch'] } },
  discover: {
    success: { args: ['discover', '--workspace', 'till'] },
    failure: { args: ['discover', '--workspace', 'nowhere'] },
  },
  'dry-run': {
    success: { args: ['dry-run', '--data', 'functions.jsonl'] },
    failure: { args: ['dry-run', '--data', 'nowhere.jsonl'] },
  },
  models: {
    success: { args: ['models', 'list'], mask: [memory] },
    failure: { args: ['models', 'remove', 'nosuch', '--yes'] },
  },
  merge: {
    success: { args: ['merge', './adapter', '--model', 'merged', ...cpu] },
    failure: { args: ['merge', 'nosuch', '--model', 'merged'] },
  },
  export: {
    success: { args: ['export', './published', '--out', 'exported'], exact: true },
    failure: { args: ['export', 'tiny', '--out', 'nowhere'] },
  },
  tune: {
    success: { args: ['tune', ...sudoku, ...tiny, '--steps', '1', '--test', '2', ...rollouts], mask: [memory] },
    failure: { args: ['tune', ...sudoku, '--objective', 'ppo'] },
  },
  runs: { success: { args: ['runs', 'list'] }, failure: { args: ['runs', 'pause', 'nosuch'] } },
  eval: {
    success: { args: ['eval', ...sudoku, ...tiny, '--limit', '2'] },
    failure: { args: ['eval', ...sudoku, '--model', 'nosuch'] },
  },
  evaluations: {
    success: { args: ['evaluations', 'list'] },
    failure: { args: ['evaluations', 'show', 'nosuch'] },
  },
  score: {
    success: { args: ['score', ...sudoku, '--file', 'rows.jsonl'] },
    failure: { args: ['score', ...sudoku, '--file', 'broken.jsonl'] },
  },
  'infill-eval': {
    success: {
      args: ['infill-eval', '--model', 'tiny-code', '--files', 'own', '--ngram-files', 'read', '--items', '2', ...cpu],
    },
    failure: { args: ['infill-eval', '--model', 'tiny-code', '--files', 'empty', ...cpu] },
  },
  compare: {
    success: {
      args: [
        ...['compare', ...sudoku, '--objectives', 'spg-mixture,wd1', '--seeds', '1', '--steps', '1', '--trials', '1'],
        ...['--problems', '2', '--samples', '2', ...tiny, ...rollouts],
      ],
    },
    failure: { args: ['compare', ...sudoku, '--objectives', 'ppo'] },
  },
  pretrain: {
    success: {
      args: [
        ...['pretrain', '--recipe', 'puzzles', '--model', 'made', '--steps', '1', '--seed', '1', ...cpu],
        ...set('preset=nano-0.5m', 'batch_size=2', 'evaluate_every=0', 'evaluation_problems=1'),
      ],
    },
    failure: { args: ['pretrain', '--recipe', 'nosuch', '--model', 'made'] },
  },
  learn: {
    success: {
      args: [
        ...['learn', '--workspace', 'space', '--minutes', '0.002', '--model', 'tiny-code', ...cpu],
        ...set('gaps=3', 'elsewhere_gaps=2', 'batch_size=2', 'length=64'),
      ],
      mask: [memory, [/^((step \d+ {2}loss|measuring) .*\n)+/gm, ''], [/^\d+ steps? on \d+ tokens/m, 'STEPS']],
    },
    failure: { args: ['learn', '--workspace', 'own', '--model', 'tiny-code', ...cpu] },
  },
  complete: {
    success: {
      args: ['complete', '--prefix-file', 'before.ts', '--suffix-file', 'after.ts', '--model', 'tiny-code', ...cpu],
      mask: [[/(?<=^\[stdout\]\n)[\s\S]*(?=^\[exit)/m, 'COMPLETION\n']],
    },
    failure: { args: ['complete', '--prefix-file', 'nowhere.ts', '--model', 'tiny-code'] },
  },
  bench: {
    success: {
      args: ['bench', '--only', 'matmul', '--seconds', '0.05', '--python', 'nosuch', ...cpu],
      // The width of the first column follows the width of the measured number.
      mask: [machine, [/^ +(?=unmask +peer)/m, 'COLUMNS  ']],
    },
    failure: { args: ['bench', '--only', 'nosuch'] },
  },
  exact: {
    success: { args: ['exact', '--draws', '2', ...cpu] },
    failure: { args: ['exact', '--draws', '0'] },
  },
  logits: {
    success: { args: ['logits', '--tokens', '4,2', ...tiny] },
    failure: { args: ['logits', '--tokens', '4,x', ...tiny] },
  },
  loss: {
    success: { args: ['loss', '--objective', 'spg-mixture', '--case', 'case.json', ...tiny] },
    failure: { args: ['loss', '--objective', 'spg-mixture', '--case', 'rows.jsonl', ...tiny] },
  },
};

const source = (name: string) => `export class ${name} {
  #items = [];

  push(item) {
    if (item === undefined) return this.#items.length;
    this.#items.push(item);
    return this.#items.length;
  }
}
`;

/** Writes the models and files that the transcripts use into the working directory, which is the data home. */
export async function writeFixtures(): Promise<void> {
  await writeTinyCheckpoint('models/tiny');
  const tokenizer = new Tokenizer(trainBytePairs([source('Stack')], 300));
  const code = { vocab_size: tokenizer.largestId + 1, max_position_embeddings: 640, eom_token_id: 3 };
  await writeCheckpoint('models/tiny-code', {
    ...tinyCheckpoint({ ...code, attention: 'prefix-lm' }),
    tokenizer,
    generation: { ...tinyGeneration, line_canvas: 32, canvas: 64 },
  });
  await writeAdapter('adapter', adapted(tinyCheckpoint(), { base: 'tiny' }).adapter);
  await cp(path.join(import.meta.dirname, '..', 'model', 'references', 'llada'), 'published', { recursive: true });
  await cp(path.join(import.meta.dirname, '..', 'workspaces', 'till'), 'till', { recursive: true });
  for (const folder of ['own', 'read', 'empty', 'space']) await mkdir(folder);
  for (const name of ['Heap', 'Pool', 'Ring', 'Set', 'Tree'])
    await writeFile(`space/${name}.js`, [name, `${name}Queue`, `${name}Stack`].map(source).join('\n'));
  const lossCase = {
    prompt: [4, 5],
    completions: [[6, 7], [8]],
    rewards: [1, 0],
    masks: [[[0, 0, 1, 1]], [[0, 0, 1]]],
    settings: {},
  };
  const row = { puzzle: '3014002020004130', solution: '3214142323414132' };
  const files = {
    'own/queue.js': source('Queue'),
    'read/stack.js': source('Stack'),
    'empty/notes.md': 'Nothing that is code.\n',
    'before.ts': 'export class ',
    'after.ts': ' {\n}\n',
    'case.json': JSON.stringify(lossCase),
    'rows.jsonl': `${JSON.stringify({ ...row, completion: `<answer>${row.solution}</answer>` })}\n`,
    'broken.jsonl': `${JSON.stringify(row)}\n`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(name, text);
}
