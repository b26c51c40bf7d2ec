import path from 'node:path';
import { begunPiece, spells } from '../../diffusion/token-healing.ts';
import { type InfillingItem, modelCompleter, scoreInfilling } from '../../evaluation/infilling.ts';
import { Trigram } from '../../evaluation/trigram.ts';
import { trainBytePairs } from '../../model/byte-pair-training.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { Tokenizer } from '../../model/tokenizer.ts';
import { dataHome } from '../../platform/files.ts';
import { Random } from '../../platform/random.ts';
import type { Evaluation } from '../../protocol/events.ts';
import { commentOrStringAt } from '../../workspace/syntax-place.ts';
import { isWellFormed, languageOf } from '../../workspace/syntax-trees.ts';
import type { Curriculum, PrepareHooks, Recipe } from '../recipe.ts';
import { type Corpus, listedPackages, readCorpus, type SourceFile } from './corpus.ts';
import { GapExamples } from './gap-examples.ts';
import { drawGap } from './gaps.ts';

const vocabulary = 4096;
const specials = { pad: 0, eos: 1, mask: 2, eom: 3 } as const;

/** Tokens of a text. A completion is asked for with up to 512 tokens around a canvas of 64, so some are as long. */
const lengths = { gap: 128, text: 256, long: 640 } as const;

/** Threshold at which completions are judged, and served unless set otherwise. */
const threshold = 0.9;

/** A small model that completes TypeScript and JavaScript. */
export const codeRecipe: Recipe = {
  name: 'code',
  description: 'A small model that completes TypeScript and JavaScript',
  modelName: 'unmask-code',
  preset: 'mini-3m',
  ropeTheta: 1000,
  generation: { prompt_format: 'plain', block_length: 16, tokens_per_step: 1, line_canvas: 32, canvas: 64 },
  settings: {
    batch_size: 16,
    forward_process: 'stratified',
    learning_rate: 2e-3,
    warmup_steps: 200,
    lr_schedule: 'cosine',
    lr_floor: 0.05,
    max_grad_norm: 1,
    evaluate_every: 2500,
    evaluation_problems: 200,
    checkpoint_every: 250,
  },
  steps: 6000,
  async prepare(hooks) {
    const corpus = await readCorpus(path.join(dataHome(), 'cache', 'sources'), hooks);
    return codeCurriculum(corpus, hooks);
  },
};

/** What a code model reads of a corpus: gaps, and plain text from which it learns more in less time at first. */
export async function codeCurriculum(
  corpus: Corpus,
  { progress }: Pick<PrepareHooks, 'progress'>,
): Promise<Curriculum> {
  progress(`Learning a tokenizer from ${corpus.training.length} files`);
  const files = trainBytePairs(
    corpus.training.map(({ text }) => text),
    vocabulary,
  );
  const tokenizer = new Tokenizer(files);
  const draw = new GapExamples(corpus.training, tokenizer, specials.eom);
  const items = await infillingItems(corpus.validation, 400);
  let baseline: Promise<Record<string, Evaluation['metrics'][string]>> | undefined;
  return {
    data: describe(corpus),
    tokenizer: files,
    specials,
    examples(step, batchSize, random) {
      const batch = (length: number, one: (length: number, random: Random) => ReturnType<GapExamples['gap']>) =>
        Array.from({ length: Math.max(1, Math.round((batchSize * lengths.text) / length)) }, () => one(length, random));
      const kind = step % 8;
      if (kind === 1) return [batch(lengths.gap, (length) => draw.gap(length, random))];
      if (kind === 7) return [batch(lengths.long, (length) => draw.gaps(length, random))];
      if (kind % 3 === 0) return [batch(lengths.text, (length) => draw.text(length, random))];
      return [batch(lengths.text, (length) => draw.gaps(length, random))];
    },
    answers:
      'Of three answers the one with the fewest syntax errors, as an editor shows it (`likeliest`: the greedy one alone),',
    bestBy: 'exact_match',
    async evaluate(model, problems) {
      const begin = performance.now();
      const wanted = items.filter(({ singleLine }) => singleLine).slice(0, problems);
      const several = items.filter(({ singleLine }) => !singleLine).slice(0, problems);
      baseline ??= trigramScores(corpus, tokenizer, wanted, progress);
      return {
        task: 'infilling',
        split: 'validation',
        n: wanted.length,
        metrics: { ...(await modelScores(model, wanted, several)), ...(await baseline) },
        seconds: (performance.now() - begin) / 1000,
      };
    },
  };
}

async function modelScores(model: LanguageModel, lines: readonly InfillingItem[], several: readonly InfillingItem[]) {
  const complete = modelCompleter(model, threshold);
  const one = await scoreInfilling(lines, complete);
  const more = await scoreInfilling(several, complete);
  return {
    exact_match: one.exact_match,
    parses: one.parses,
    'likeliest/exact_match': one.likeliest.exact_match,
    'likeliest/parses': one.likeliest.parses,
    'lines/exact_match': more.exact_match,
    'lines/parses': more.parses,
  };
}

/** The trigram's completions of the same lines: what stands before the cursor, and no look behind it. */
async function trigramScores(
  corpus: Corpus,
  tokenizer: Tokenizer,
  items: readonly InfillingItem[],
  progress: (line: string) => void,
) {
  progress('Counting trigrams for the baseline');
  const texts = function* () {
    for (const { text } of corpus.training) yield tokenizer.encode(text);
  };
  const trigram = new Trigram(texts(), vocabulary);
  const scores = await scoreInfilling(items, async ({ prefix }) => {
    // It takes up a word under way as the model does.
    const begun = begunPiece(tokenizer, prefix);
    const before = tokenizer.encode(prefix.slice(-400, prefix.length - begun.length));
    const isEnd = (token: number) => (tokenizer.texts[token] as string).includes('\n');
    const allowedAt = (written: readonly number[]) => {
      const left = begun.slice(tokenizer.decode(written).length);
      return (token: number) => left === '' || spells(tokenizer.texts[token] as string, left);
    };
    return [tokenizer.decode(trigram.continue(before, 32, isEnd, allowedAt)).slice(begun.length)];
  });
  return { 'trigram/exact_match': scores.exact_match, 'trigram/parses': scores.parses };
}

/**
 * Gaps in held-out files that parse, where an editor asks by itself: not in comments and strings. Half of them are the
 * rest of a line, half several lines; always the same ones.
 */
export async function infillingItems(files: readonly SourceFile[], count: number): Promise<InfillingItem[]> {
  const random = new Random(0, 'infilling items');
  const items: InfillingItem[] = [];
  for (let attempt = 0; items.length < count && attempt < 50 * count; attempt++) {
    const { path: name, text } = random.pick(files);
    const singleLine = items.length % 2 === 0;
    const gap = drawGap(text, singleLine ? 'line' : random.pick(['lines', 'block'] as const), 'character', random);
    const language = languageOf(name);
    if (!gap || language === null || !(await isWellFormed(language, text))) continue;
    const { start, end } = gap;
    if ((await commentOrStringAt(language, text, start)) !== null) continue;
    items.push({
      prefix: text.slice(0, start),
      middle: text.slice(start, end),
      suffix: text.slice(end),
      language,
      singleLine,
    });
  }
  return items;
}

function describe({ training, validation }: Corpus): string[] {
  const megabytes = (part: readonly SourceFile[]) =>
    (part.reduce((sum, { text }) => sum + text.length, 0) / 1e6).toFixed(1);
  const names = (part: 'training' | 'validation') =>
    listedPackages
      .filter((listed) => listed.part === part)
      .map(({ name, version, license }) => `${name} ${version} (${license})`);
  return [
    `Sources of packages of the npm registry, as their authors wrote them: ${training.length} files, ${megabytes(training)} MB, for training, and`,
    `${validation.length} files, ${megabytes(validation)} MB, of packages that were held out whole, for the scores below. Built, minified and generated files,`,
    'declarations, tables, duplicates and banners of licences were left out.',
    '',
    `Training: ${names('training').join(', ')}.`,
    '',
    `Held out: ${names('validation').join(', ')}.`,
  ];
}
